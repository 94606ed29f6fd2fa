import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCompactJws, signCompactJws, toBase64Url } from "../src/index.js";
import { anyText } from "./any-text.js";
import { laptop } from "./verification-fixture.js";

const typ = "amesh-delegation+jwt";
const part = (text: string) => toBase64Url(new TextEncoder().encode(text));
const signature = toBase64Url(new Uint8Array(64));
const good = { header: `{"typ":"${typ}","alg":"ES256","kid":"am_x"}`, payload: '{"a":1}' };
const jws = (header = good.header, payload = good.payload, sig = signature) =>
  `${part(header)}.${part(payload)}.${sig}`;
const problemOf = (text: string) => readCompactJws(text, typ, 2048).problem;

describe("a compact JWS", () => {
  it("by a device's key is read back, and its signature is over what was read", async () => {
    const text = await signCompactJws(typ, "am_x", { b: 2, a: ["ü"] }, laptop.sign);
    expect(text.startsWith("eyJ")).toBe(true);
    const { jws } = readCompactJws(text, typ, 2048);
    expect(jws).toMatchObject({ alg: "ES256", kid: "am_x", payload: { a: ["ü"], b: 2 } });
    if (jws === undefined) return;
    expect(laptop.publicKey.verify(jws.signingInput, jws.signature)).toBe(true);
  });

  it("is read whatever the order of its header's members", () => {
    expect(problemOf(jws(`{ "kid":"k", "alg":"ES256", "typ":"${typ}" }`))).toBeUndefined();
    expect(problemOf(jws(`{"kid":"k","alg":"none","typ":"${typ}"}`))).toBe('its alg is "none"');
    expect(problemOf(jws(`{"kid":"k","alg":["ES256"],"typ":"${typ}"}`))).toBe("its alg is not text");
  });

  it.each([
    ["an empty text", ""],
    ["two parts", jws().slice(0, jws().lastIndexOf("."))],
    ["four parts", `${jws()}.`],
    ["padding", jws(`${good.header} `).replace(".", "=.")],
    ["white space at the end", `${jws()}\n`],
    ["a bit that encodes nothing", `${jws().slice(0, -1)}B`],
    ["standard base64", jws().replace(/A$/, "+")],
    ["a header that is not JSON", jws("{")],
    ["a header with a byte order mark", jws(`\ufeff${good.header}`)],
    ["a header that is a list", jws("[]")],
    ["a header without typ", jws('{"alg":"ES256","kid":"k"}')],
    ["a header with crit", jws(good.header.replace("}", ',"crit":["b64"]}'))],
    ["a header with a key of its own", jws(good.header.replace("}", ',"jwk":{}}'))],
    ["a header that names alg twice", jws(good.header.replace("}", ',"alg":"none"}'))],
    ["a header that names alg twice, once escaped", jws(good.header.replace("}", ',"\\u0061lg":"none"}'))],
    ["a foreign typ", jws(good.header.replace(typ, "JWT"))],
    ["a typ of another case", jws(good.header.replace(typ, typ.toUpperCase()))],
    ["a typ with its media type's prefix", jws(good.header.replace(typ, `application/${typ}`))],
    ["alg none", jws(good.header.replace("ES256", "none"), good.payload, "")],
    ["alg HS256", jws(good.header.replace("ES256", "HS256"))],
    ["an alg that every object has", jws(good.header.replace("ES256", "constructor"))],
    ["an alg that is a list", jws(good.header.replace('"ES256"', '["ES256"]'))],
    ["a kid that is a number", jws(good.header.replace('"am_x"', "1"))],
    ["a payload that is no object", jws(good.header, "1")],
    ["a payload of null", jws(good.header, "null")],
    ["a payload that names a member twice", jws(good.header, '{"a":1,"a":2}')],
    ["a signature of 63 bytes", jws(good.header, good.payload, toBase64Url(new Uint8Array(63)))],
    ["a signature of 65 bytes", jws(good.header, good.payload, toBase64Url(new Uint8Array(65)))],
    ["more characters than were allowed", jws(good.header, `{"a":"${"x".repeat(2000)}"}`)],
  ])("with %s is refused", (_, text) => {
    expect(problemOf(text)).toMatch(/^its? /);
  });

  it("of any text is a JWS or a problem, never a throw", () => {
    const piece = fc.oneof(
      anyText(60),
      fc.json().map(part),
      fc.constantFrom(part(good.header), signature, "", "."),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), fc.constantFrom(".", ""), (pieces, glue) => {
        const read = readCompactJws(pieces.join(glue), typ, 2048);
        expect((read.jws === undefined) !== (read.problem === undefined)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
