import { createHmac, createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/encoding.js";
import { readMessageSignatures } from "../../src/http-signature/message-signatures.js";
import { signatureBase } from "../../src/http-signature/signature-base.js";
import { publicKeyOfJwk } from "../../src/read-public-key.js";

/** RFC 9421, appendix B.2: its messages, and each signature's fields and base. */
const fields = (date: string, digest: string, length: string): Readonly<Record<string, string>> => ({
  date,
  "content-type": "application/json",
  "content-digest": digest,
  "content-length": length,
});
const requestDigest =
  "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
const responseDigest =
  "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:";
const request = {
  method: "POST",
  target: "/foo?param=Value&Pet=dog",
  authority: "example.com",
  fields: fields("Tue, 20 Apr 2021 02:07:55 GMT", requestDigest, "18"),
};
const response = { status: 200, fields: fields("Tue, 20 Apr 2021 02:07:56 GMT", responseDigest, "23") };

const examples = [
  {
    name: "B.2.1",
    message: request,
    input: '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    lines: [],
  },
  {
    name: "B.2.2",
    message: request,
    input:
      '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    lines: [
      '"@authority": example.com',
      `"content-digest": ${requestDigest}`,
      '"@query-param";name="Pet": dog',
    ],
  },
  {
    name: "B.2.3",
    message: request,
    input:
      '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@query": ?param=Value&Pet=dog',
      '"@authority": example.com',
      '"content-type": application/json',
      `"content-digest": ${requestDigest}`,
      '"content-length": 18',
    ],
  },
  {
    name: "B.2.4",
    message: response,
    input:
      '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    lines: [
      '"@status": 200',
      '"content-type": application/json',
      `"content-digest": ${responseDigest}`,
      '"content-length": 23',
    ],
    signature: "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
  },
  {
    name: "B.2.5",
    message: request,
    input: '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
    ],
    signature: "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
  },
  {
    name: "B.2.6",
    message: request,
    input:
      '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@authority": example.com',
      '"content-type": application/json',
      '"content-length": 18',
    ],
    signature: "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
  },
] as const;

function read(name: (typeof examples)[number]["name"]) {
  const example = examples.find((each) => each.name === name) as (typeof examples)[number];
  const label = `sig-${name.toLowerCase().replaceAll(".", "")}`;
  const value = "signature" in example ? example.signature : "AA==";
  const lines: Readonly<Record<string, string>> = {
    ...example.message.fields,
    "signature-input": `${label}=${example.input}`,
    signature: `${label}=:${value}:`,
  };
  const headers = (field: string) => [lines[field]].filter((line) => line !== undefined);
  const [signature, ...more] = readMessageSignatures({ headers });
  if (signature === undefined || more.length > 0) throw new Error("not one signature");
  return { base: signatureBase({ ...example.message, headers }, signature), value: signature.signature };
}

describe("the examples of RFC 9421, B.2", () => {
  it.each(examples)("$name: the signature base, byte for byte", ({ name, input, lines }) => {
    expect(read(name).base).toBe([...lines, `"@signature-params": ${input}`].join("\n"));
  });

  it("B.2.4: the signature is the key's, and not over another base", () => {
    const key = publicKeyOfJwk({
      kty: "EC",
      crv: "P-256",
      x: "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
      y: "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0",
    });
    const { base, value } = read("B.2.4");
    expect(key.verify(utf8(base), value)).toBe(true);
    expect(key.verify(utf8(base.replace("200", "201")), value)).toBe(false);
  });

  it("B.2.5 and B.2.6: the signatures fit, by algorithms that are not ours", () => {
    const secret = Buffer.from(
      "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
      "base64",
    );
    const hmac = read("B.2.5");
    expect(createHmac("sha256", secret).update(hmac.base).digest()).toEqual(Buffer.from(hmac.value));
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs" },
      format: "jwk",
    });
    const ed25519 = read("B.2.6");
    expect(verify(null, utf8(ed25519.base), key, ed25519.value)).toBe(true);
  });
});
