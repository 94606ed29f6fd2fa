import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAuthMeshHeader, parseAuthMeshHeader } from "../src/authorization-header.js";
import { anyText } from "./any-text.js";

// A key with characters in which the two alphabets of base64 differ.
const key = "A+B9pwI1/CGINmyozdPjmj0k6g2yXft4Y/TAUfUIBojH";
const nonce = "AAECAwQFBgcICQoLDA0ODw";
const signature = `${"-_".repeat(42)}-Q`;
const good = formatAuthMeshHeader(key, "1743160800", nonce, signature);
const verdict = (value: string): string => {
  const result = parseAuthMeshHeader(value);
  return "code" in result ? result.code : "read";
};
const replaced = (part: string, by: string): string => {
  expect(good).toContain(part);
  return good.replace(part, by);
};

describe("the AuthMesh header", () => {
  it.each(["OathMesh a.b.c", "oathmesh", `OathMesh ${"x".repeat(2000)}`])(
    "is not %.20s, a token, and that is what the refusal says",
    (value) =>
      expect(parseAuthMeshHeader(value)).toMatchObject({
        code: "malformed_header",
        detail: expect.stringContaining("holds a token"),
        fix: expect.stringContaining("verifyToken"),
      }),
  );

  it("is one line of five members", () => {
    expect(good).toBe(`AuthMesh v="1",id="${key}",ts="1743160800",nonce="${nonce}",sig="${signature}"`);
  });

  it("is read into what it says", () => {
    expect(parseAuthMeshHeader(good)).toEqual({
      key,
      timestamp: "1743160800",
      nonce,
      nonceBytes: Uint8Array.from({ length: 16 }, (_, i) => i),
      signature: Uint8Array.from(Buffer.from(signature, "base64url")),
    });
  });

  it("may hold the key in base64url, which is read as the same key", () => {
    const url = replaced(key, key.replaceAll("+", "-").replaceAll("/", "_"));
    expect(parseAuthMeshHeader(url)).toEqual(parseAuthMeshHeader(good));
  });

  const [head, ...members] = good.split(/ |,/);
  it.each([
    ["scheme in lower case", replaced("AuthMesh", "authmesh")],
    ["scheme in upper case", replaced("AuthMesh", "AUTHMESH")],
    ["several spaces after the scheme", replaced("AuthMesh ", "AuthMesh    ")],
    ["spaces around the commas", good.replaceAll(",", " , ")],
    ["members in another order", `${head} ${members.toReversed().join(",")}`],
    ["spaces up to 1,024 characters", replaced(" ", " ".repeat(1025 - good.length))],
    ["a timestamp of twelve digits", replaced("1743160800", "174316080012")],
  ])("may have %s", (_, value) => expect(verdict(value)).toBe("read"));

  it.each([
    ["nothing in it", ""],
    ["the scheme alone", "AuthMesh"],
    ["the scheme and spaces", "AuthMesh  "],
    ["another scheme", replaced("AuthMesh", "Bearer")],
    ["no space after the scheme", replaced("AuthMesh ", "AuthMesh")],
    ["a tab after the scheme", replaced("AuthMesh ", "AuthMesh\t")],
    ["a long s in the scheme", replaced("AuthMesh", "AuthMe\u017fh")],
    ["a space before the scheme", ` ${good}`],
    ["a space at the end", `${good} `],
    ["a comma at the end", `${good},`],
    ["a newline at the end", `${good}\n`],
    ["two commas", replaced(",id", ",,id")],
    ["a semicolon for a comma", replaced(",id", ";id")],
    ["a tab around a comma", replaced(",id", ",\tid")],
    ["a space before =", replaced("ts=", "ts =")],
    ["a space after =", replaced("ts=", "ts= ")],
    ["a member without quotes", replaced('ts="1743160800"', "ts=1743160800")],
    ["single quotes", good.replaceAll('"', "'")],
    ["an escaped quote", replaced("1743160800", '17431608\\"')],
    ["an open quote", good.slice(0, -1)],
    ["a name in upper case", replaced("nonce=", "Nonce=")],
    ["a name with a digit", replaced("nonce=", "nonce2=")],
    ["an unknown member", `${good},x="1"`],
    ["an unknown member at the front", replaced('v="1"', 'x="1",v="1"')],
    ["a member named like what every object has", `${good},constructor="1"`],
    ["the version twice", replaced('v="1"', 'v="1",v="1"')],
    ["the key twice", replaced("id=", `id="${key}",id=`)],
    ["the signature twice", `${good},sig="${signature}"`],
    ["no version", replaced('v="1",', "")],
    ["no key", replaced(`id="${key}",`, "")],
    ["no timestamp", replaced('ts="1743160800",', "")],
    ["no nonce", replaced(`nonce="${nonce}",`, "")],
    ["no signature", replaced(`,sig="${signature}"`, "")],
    ["a key of 43 characters", replaced(key, key.slice(1))],
    ["a key of 45 characters", replaced(key, `${key}A`)],
    ["a key with padding", replaced(key, `${key.slice(0, 43)}=`)],
    ["a key in both alphabets", replaced("A+B9pwI1/", "A-B9pwI1/")],
    ["a key with a space", replaced("A+B9", "A B9")],
    ["a timestamp of nine digits", replaced("1743160800", "174316080")],
    ["a timestamp of thirteen digits", replaced("1743160800", "1743160800123")],
    ["a timestamp that starts with 0", replaced("1743160800", "0743160800")],
    ["a negative timestamp", replaced("1743160800", "-743160800")],
    ["a timestamp with a sign", replaced("1743160800", "+743160800")],
    ["a timestamp with a fraction", replaced("1743160800", "1743160.80")],
    ["a timestamp in hexadecimal", replaced("1743160800", "0x67e68060")],
    ["a timestamp in Arabic digits", replaced("1743160800", "١٧٤٣١٦٠٨٠٠")],
    ["an empty timestamp", replaced("1743160800", "")],
    ["a nonce of 21 characters", replaced(nonce, nonce.slice(1))],
    ["a nonce of 24 characters with padding", replaced(nonce, `${nonce}==`)],
    ["a nonce in standard base64", replaced(nonce, `+${nonce.slice(1)}`)],
    ["a nonce whose last character holds stray bits", replaced(nonce, `${nonce.slice(0, -1)}x`)],
    ["a signature of 85 characters", replaced(signature, signature.slice(1))],
    ["a signature of 87 characters", replaced(signature, `${signature}A`)],
    ["a signature in standard base64", replaced(signature, signature.replaceAll("-", "+"))],
    ["a signature whose last character holds stray bits", replaced(signature, `${signature.slice(0, -1)}R`)],
    ["1,025 characters", replaced(" ", " ".repeat(1026 - good.length))],
    ["another header behind it", `${good}, ${good}`],
  ])("is malformed with %s", (_, value) => expect(verdict(value)).toBe("malformed_header"));

  it.each([
    ["2", replaced('v="1"', 'v="2"')],
    ["01", replaced('v="1"', 'v="01"')],
    ["nothing", replaced('v="1"', 'v=""')],
    ["2 and members this version does not know", 'AuthMesh v="2",kid="am_x",alg=none;;'],
    ["2 alone", 'AuthMesh v="2"'],
    ["2 behind other members", `${head} ${members.toReversed().join(",").replace('v="1"', 'v="2"')}`],
  ])("of version %s is of an unsupported version", (_, value) => {
    expect(verdict(value)).toBe("unsupported_version");
  });

  it("is read or refused as one of two failures, whatever the text", () => {
    const alphabet = fc.constantFrom(
      "AuthMesh ",
      "v=",
      "id=",
      '"',
      "1",
      ",",
      " ",
      key,
      nonce,
      "\\",
      "sig=",
      "\u0000",
      "é",
    );
    const text = fc.oneof(
      anyText(60),
      fc.array(alphabet, { maxLength: 30 }).map((parts) => `AuthMesh ${parts.join("")}`),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(["read", "malformed_header", "unsupported_version"]).toContain(verdict(value));
      }),
      { numRuns: 500 },
    );
  });

  it("with one character changed is refused, or still says five well-formed things", () => {
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), anyText(2), (at, by) => {
        const result = parseAuthMeshHeader(good.slice(0, at) + by + good.slice(at + 1));
        if ("code" in result) {
          expect(["malformed_header", "unsupported_version"]).toContain(result.code);
          return;
        }
        expect(result.key).toMatch(/^[A-Za-z0-9+/]{44}$/);
        expect(result.timestamp).toMatch(/^[1-9][0-9]{9,11}$/);
        expect(result.nonceBytes).toHaveLength(16);
        expect(result.signature).toHaveLength(64);
      }),
      { numRuns: 1000 },
    );
  });
});
