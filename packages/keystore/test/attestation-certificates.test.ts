import { createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Certificate, readCertificate } from "../src/tpm/attestation/certificate.js";
import { chainProblem } from "../src/tpm/attestation/certificate-chain.js";
import { elementsOf } from "../src/tpm/attestation/der.js";
import { Malformed } from "../src/tpm/marshal.js";
import {
  authority,
  type Certificates,
  certify,
  derOf,
  endorsement,
  now,
  time,
} from "./attestation-fixture.js";

const { publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const over = { notBefore: time - 2, notAfter: time - 1 };
const notYet = { notBefore: time + 1, notAfter: time + 2 };

/** An RSA key that nobody has the other half of. */
const rsaKey = (bits: number, exponent: Buffer) => {
  const n = Buffer.alloc(bits / 8, 0xff).toString("base64url");
  const key = createPublicKey({ key: { kty: "RSA", n, e: exponent.toString("base64url") }, format: "jwk" });
  return key.export({ type: "spki", format: "pem" }).toString();
};
const f4 = Buffer.of(1, 0, 1);
const leaf = (name: string, issuer: string, more = {}) => endorsement(name, issuer, publicKey, more);

let pem: Certificates;
beforeAll(() => {
  pem = certify([
    authority("root", "root"),
    authority("strange", "strange"),
    authority("impostor", "impostor", { subject: "root" }),
    authority("one", "root"),
    authority("two", "one"),
    authority("three", "two"),
    authority("four", "three"),
    authority("five", "four"),
    authority("one crossed", "strange", { subject: "one", keyOf: "one" }),
    authority("strange crossed", "root", { subject: "strange", keyOf: "strange" }),
    authority("no authority", "root", { ca: false }),
    { name: "unconstrained", issuer: "root" },
    authority("expired", "root", over),
    authority("future", "root", notYet),
    authority("expired root", "expired root", over),
    authority("strict", "root", { pathLength: 0 }),
    authority("below strict", "strict"),
    authority("odd", "root", { critical: "1.2.3.4" }),
    authority("weak", "root", { weak: true }),
    ...Array.from({ length: 16 }, (_, i) => authority(`namesake ${i}`, `namesake ${i}`, { subject: "root" })),
    authority("for servers", "root", { usage: ["1.3.6.1.5.5.7.3.1"] }),
    authority("for endorsement", "root", { usage: ["1.3.6.1.5.5.7.3.1", "2.23.133.8.1"] }),
    authority("for anything", "root", { usage: ["2.5.29.37.0"] }),
    authority("constrained", "root", { nameConstraints: "not critical" }),
    authority("critically constrained", "root", { nameConstraints: "critical" }),
    authority("large", "root", { publicKey: rsaKey(4096, Buffer.alloc(4, 0xff)) }),
    authority("too large", "root", { publicKey: rsaKey(4104, f4) }),
    authority("huge", "root", { publicKey: rsaKey(12_800, f4) }),
    authority("of a large exponent", "root", { publicKey: rsaKey(2048, Buffer.of(1, 0, 0, 0, 1)) }),
    leaf("by for servers", "for servers"),
    leaf("by for endorsement", "for endorsement"),
    leaf("by for anything", "for anything"),
    leaf("by constrained", "constrained"),
    leaf("by critically constrained", "critically constrained"),
    leaf("by root", "root"),
    leaf("by impostor", "impostor"),
    leaf("by one", "one"),
    leaf("by four", "four"),
    leaf("by five", "five"),
    leaf("by no authority", "no authority"),
    leaf("by unconstrained", "unconstrained"),
    leaf("by expired", "expired"),
    leaf("by future", "future"),
    leaf("by expired root", "expired root"),
    leaf("by strict", "strict"),
    leaf("by below strict", "below strict"),
    leaf("by odd", "odd"),
    leaf("by weak", "weak"),
    leaf("by itself", "one crossed"),
    leaf("over", "root", over),
    leaf("not yet", "root", notYet),
    leaf("odd leaf", "root", { critical: "1.2.3.4" }),
    leaf("weak leaf", "root", { weak: true }),
    leaf("of one RDN", "root", { oneRdn: true }),
    leaf("with strange text", "root", {
      device: { "2.23.133.2.1": "a\u0007b", "2.23.133.2.2": "x".repeat(65) },
    }),
  ]);
});

const read = (name: string): Certificate => readCertificate(derOf(pem(name)));
const problem = (name: string, roots: readonly string[], ...intermediates: readonly string[]) =>
  chainProblem(read(name), { roots: roots.map(read), intermediates: intermediates.map(read) }, now());

describe("a chain of certificates", () => {
  it.each<[string, string[], ...string[]]>([
    ["by root", ["root"]],
    ["by one", ["root"], "one"],
    ["by one", ["one", "root"]],
    ["by one", ["one"]],
    ["by four", ["root"], "three", "one", "four", "two"],
    ["by one", ["root"], "one crossed", "one"],
    ["by one", ["root"], "one crossed", "strange crossed"],
    ["by strict", ["root"], "strict"],
    ["of one RDN", ["strange", "root"]],
    ["by for endorsement", ["root"], "for endorsement"],
    ["by for anything", ["root"], "for anything"],
  ])("from %j to one of %j is accepted", (name, roots, ...intermediates) => {
    expect(problem(name, roots, ...intermediates)).toBeUndefined();
  });

  it.each<[RegExp, string, string[], ...string[]]>([
    [/no known root answers for "CN=root"/, "by root", []],
    [/no known root answers for "CN=root"/, "by root", ["strange"]],
    [/no known root answers for "CN=root"/, "by root", ["impostor"]],
    [/no known root answers for "CN=root"/, "by impostor", ["root"], "one"],
    [/no known root answers for "CN=one"/, "by one", ["root"]],
    [/no known root answers for "CN=strange"/, "by one", ["root"], "one crossed"],
    [/too many certificates/, "by five", ["root"], "one", "two", "three", "four", "five"],
    [/"CN=no authority" is no authority/, "by no authority", ["root"], "no authority"],
    [/"CN=no authority" is no authority/, "by no authority", ["no authority"]],
    [/"CN=unconstrained" is no authority/, "by unconstrained", ["root"], "unconstrained"],
    [/"CN=expired" is not valid now/, "by expired", ["root"], "expired"],
    [/"CN=future" is not valid now/, "by future", ["root"], "future"],
    [/"CN=expired root" is not valid now/, "by expired root", ["expired root"]],
    [/"" is not valid now/, "over", ["root"]],
    [/"" is not valid now/, "not yet", ["root"]],
    [/"CN=strict" may not answer/, "by below strict", ["root"], "strict", "below strict"],
    [/"CN=for servers" is for other purposes/, "by for servers", ["root"], "for servers"],
    [/"CN=for servers" is for other purposes/, "by for servers", ["for servers"]],
    [/"CN=constrained" has name constraints/, "by constrained", ["root"], "constrained"],
    [
      /"CN=critically constrained" has a critical/,
      "by critically constrained",
      ["root"],
      "critically constrained",
    ],
    [/"CN=odd" has a critical extension/, "by odd", ["root"], "odd"],
    [/"" has a critical extension/, "odd leaf", ["root"]],
    [/"CN=weak" is signed in a way/, "by weak", ["root"], "weak"],
    [/"" is signed in a way/, "weak leaf", ["root"]],
  ])("is refused with %s: %j, roots %j", (words, name, roots, ...intermediates) => {
    expect(problem(name, roots, ...intermediates)).toMatch(words);
  });

  it("is looked for by 16 signatures and no more, those of one key counted once", () => {
    const namesakes = Array.from({ length: 16 }, (_, i) => `namesake ${i}`);
    expect(problem("by root", [...namesakes.slice(1), "root"])).toBeUndefined();
    expect(problem("by root", [...namesakes, "root"])).toMatch(/too many signatures/);
    const copies = Array.from({ length: 40 }, () => "impostor");
    expect(problem("by root", [...copies, "root"], ...copies)).toBeUndefined();
  });

  it("does not go in circles", () => {
    const names = ["one", "one crossed", "strange crossed", "strange"];
    expect(problem("by one", ["impostor"], ...names)).toMatch(/no known root/);
  });
});

describe("a certificate", () => {
  it("tells manufacturer and model, in one part of the name or in several, if they are plain text", () => {
    const device = new Map([
      ["6781050201", "id:494E5443"],
      ["6781050202", "Model 7"],
    ]);
    expect(read("by root").device).toEqual(device);
    expect(read("of one RDN").device).toEqual(device);
    expect(read("with strange text").device).toEqual(new Map());
    expect(read("root").device).toEqual(new Map());
  });

  it("is read with an RSA key of 4,096 bits and an exponent of 32, and with no larger one", () => {
    expect(read("large").subject).toBe("CN=large");
    for (const name of ["too large", "huge", "of a large exponent"])
      expect(() => read(name)).toThrow(new Malformed("its key is none of those that are accepted"));
  });

  it("with an extension that is there twice is not read", () => {
    const hex = derOf(pem("by root")).toString("hex");
    const [constraints, usage] = ["0603551d13", "0603551d25"];
    expect(hex.split(constraints)).toHaveLength(2);
    const twice = Buffer.from(hex.replace(constraints, usage), "hex");
    expect(() => readCertificate(twice)).toThrow("an extension is there twice");
  });

  it("is read without any other exception, whatever the bytes", () => {
    const whole = derOf(pem("by root"));
    const changed = fc
      .tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, flip]) => whole.map((byte, i) => (i === at ? byte ^ flip : byte)));
    const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
    const longer = fc.uint8Array({ minLength: 1, maxLength: 5 }).map((more) => Buffer.concat([whole, more]));
    const root = read("root");
    fc.assert(
      fc.property(fc.oneof(changed, cut, longer, fc.uint8Array()), (bytes) => {
        try {
          const certificate = readCertificate(bytes);
          expect(chainProblem(certificate, { roots: [root], intermediates: [] }, now())).toBeTypeOf("string");
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe("DER", () => {
  it.each([
    ["a length in more bytes than it needs", "30810100"],
    ["a length of two bytes where one will do", "308200ff"],
    ["an indefinite length", "30800000"],
    ["a length of three bytes", "3083010000"],
    ["a tag of several bytes", "1f0100"],
    ["an end that comes too early", "300201"],
  ])("with %s is not read", (_, hex) => {
    expect(() => elementsOf(Buffer.from(hex, "hex"))).toThrow(Malformed);
  });

  it("is read element by element", () => {
    expect(elementsOf(Buffer.from("02010530030201060500", "hex")).map(({ tag }) => tag)).toEqual([
      2, 0x30, 5,
    ]);
    const long = Buffer.concat([Buffer.from("0482012c", "hex"), Buffer.alloc(300)]);
    expect(elementsOf(long)[0]?.content).toHaveLength(300);
  });
});
