import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readContentDigest } from "../../src/http-signature/content-digest.js";
import { readMessageSignatures } from "../../src/http-signature/message-signatures.js";
import { readHttpSignature } from "../../src/http-signature/profile.js";
import { type HttpMessage, readComponent, signatureBase } from "../../src/http-signature/signature-base.js";
import { AmeshError, contentDigest } from "../../src/index.js";
import { anyText } from "../any-text.js";

const message = (fields: Readonly<Record<string, readonly string[]>>, more: Partial<HttpMessage> = {}) => ({
  method: "GET",
  target: "/a%2Fb/?b=2&a=1&b=%20x",
  authority: "example.com",
  headers: (name: string) => fields[name] ?? [],
  ...more,
});
const line = (name: string, parameters: [string, string][], of: HttpMessage) =>
  signatureBase(of, { components: [readComponent(name, new Map(parameters))], parameters: new Map() }).split(
    "\n",
  )[0];

/** "read", or the code of the refusal. Anything that is not of the catalogue is a failure of the test. */
function outcomeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
}

describe("a line of the signature base", () => {
  it.each<
    [string, string, [string, string][], Readonly<Record<string, readonly string[]>>, Partial<HttpMessage>]
  >([
    ['"x-a": one, two', "x-a", [], { "x-a": [" \tone", "two \t"] }, {}],
    ['"x-a": ', "x-a", [], { "x-a": [""] }, {}],
    ['"@path": /a%2Fb/', "@path", [], {}, {}],
    ['"@query": ?b=2&a=1&b=%20x', "@query", [], {}, {}],
    ['"@query": ?', "@query", [], {}, { target: "/a" }],
    ['"@query": ??a', "@query", [], {}, { target: "/??a" }],
    ['"@request-target": /a%2Fb/?b=2&a=1&b=%20x', "@request-target", [], {}, {}],
    ['"@query-param";name="a": 1', "@query-param", [["name", "a"]], {}, {}],
    [
      '"@query-param";name="a%20b": %21%C3%A9',
      "@query-param",
      [["name", "a%20b"]],
      {},
      { target: "/?a+b=!%C3%A9" },
    ],
    ['"@method": GET', "@method", [], {}, {}],
    ['"@status": 204', "@status", [], {}, { status: 204 }],
  ])("is %s", (expected, name, parameters, fields, more) => {
    expect(line(name, parameters, message(fields, more))).toBe(expected);
  });

  it.each<[string, string, [string, string][], Readonly<Record<string, readonly string[]>>]>([
    ["a field that is not there", "x-a", [], {}],
    ["a status of a request", "@status", [], {}],
    ["the scheme", "@scheme", [], {}],
    ["its own parameters", "@signature-params", [], {}],
    ["a derived component nobody knows", "@constructor", [], {}],
    ["a field in upper case", "Date", [], { Date: ["x"] }],
    ["a field whose name has a quote", 'a"b', [], { 'a"b': ["x"] }],
    ["an empty name", "", [], { "": ["x"] }],
    ["a field in another form", "x-a", [["key", "a"]], { "x-a": ["a=1"] }],
    ["a line break in a value", "x-a", [], { "x-a": ['1\n"x-b": 2'] }],
    ["a value that is not ASCII", "x-a", [], { "x-a": ["é"] }],
    ["a query parameter without a name", "@query-param", [], {}],
    ["a query parameter that is not there", "@query-param", [["name", "c"]], {}],
    ["a query parameter that is there twice", "@query-param", [["name", "b"]], {}],
  ])("is refused for %s", (_, name, parameters, fields) => {
    expect(outcomeOf(() => line(name, parameters, message(fields)))).toBe("malformed_header");
  });
});

const read = (input: string, signature = "a=:AA==:") =>
  outcomeOf(() => readMessageSignatures(message({ "signature-input": [input], signature: [signature] })));

describe("Signature-Input and Signature", () => {
  it.each<[string, string, string?]>([
    ["no component", "a=()"],
    ["parameters of every form", 'a=("x" "@path");a;b=?0;c=1.5;d=:AA==:;e=tok;f=%"x";g=@1'],
    ["two signatures", "a=(),b=()", "b=:AA==:, a=:AA==:"],
    ["32 components", `a=(${Array.from({ length: 32 }, (_, i) => `"x${i}"`).join(" ")})`],
  ])("are read: %s", (_, input, signature) => {
    expect(read(input, signature)).toBe("read");
  });

  it.each<[string, string, string?]>([
    ["no list", 'a="x"'],
    ["a flag", "a"],
    ["no dictionary", "a=("],
    ["a component that is a token", "a=(date)"],
    ["a component twice", 'a=("date" "date")'],
    ["33 components", `a=(${Array.from({ length: 33 }, (_, i) => `"x${i}"`).join(" ")})`],
    ["more than 4 KiB", `a=();b="${"x".repeat(4096)}"`],
    ["a line break", 'a=()\n;b="x"'],
    ["no signature of this label", "a=()", "b=:AA==:"],
    ["a signature that is text", "a=()", 'a="AA=="'],
    ["a signature that is a list", "a=()", "a=(:AA==:)"],
  ])("are refused: %s", (_, input, signature) => {
    expect(read(input, signature)).toBe("malformed_header");
  });

  it("over several lines are one", () => {
    const lines = { "signature-input": ["a=()", "b=()"], signature: ["a=:AA==:", "b=:AA==:"] };
    expect(readMessageSignatures(message(lines)).map(({ label }) => label)).toEqual(["a", "b"]);
  });
});

describe("Content-Digest", () => {
  const sha256 = contentDigest("hello");
  const sha512 = `sha-512=:${Buffer.alloc(64).toString("base64")}:`;

  it("is read: each digest that is known, and no other", () => {
    expect(sha256).toBe("sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    const digests = readContentDigest([`md5=:AA==:, ${sha512}`, sha256]);
    expect(digests.map(({ algorithm }) => algorithm)).toEqual(["sha256", "sha512"]);
    expect(digests[0]?.hex).toBe("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  });

  it.each([
    [[]],
    [["md5=:AA==:"]],
    [["sha-256=:AA==:"]],
    [["sha-256"]],
    [['sha-256="AA=="']],
    [["sha-256=(:AA==:)"]],
    [[`${sha256}, sha-512=:AA==:`]],
    [[`${sha256},${" ".repeat(1024)}${sha512}`]],
  ])("is refused: %j", (lines) => {
    expect(outcomeOf(() => readContentDigest(lines))).toBe("malformed_header");
  });
});

describe("whatever the bytes", () => {
  const pieces = fc.constantFrom(
    ...'a=;,() "\\:?0@%-.'.split(""),
    '("@method" "@path")',
    '"@query-param";name="a"',
    ';tag="amesh"',
    ";created=1618884473;expires=1618884533",
    ';keyid="am_0123456789abcdef"',
    ';alg="ecdsa-p256-sha256"',
    ';nonce="0123456789abcdef"',
    "sha-256=:AA==:",
    "a=:AA==:",
  );
  const field = fc.oneof(
    anyText(60),
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
  );

  it("there is a result, or an error of the catalogue", () => {
    const lines = fc.array(field, { maxLength: 3 });
    fc.assert(
      fc.property(lines, lines, lines, anyText(), (input, signature, digest, value) => {
        const fields = { "signature-input": input, signature, "content-digest": digest, a: [value] };
        const of = message(fields, { target: `/${value}` });
        outcomeOf(() => readHttpSignature(of));
        outcomeOf(() => readContentDigest(digest));
        outcomeOf(() => readMessageSignatures(of).map((each) => signatureBase(of, each)));
      }),
      { numRuns: 2000 },
    );
  });

  it("a base has as many lines as components, and one more", () => {
    const names = fc.uniqueArray(fc.constantFrom("@method", "@path", "@query", "a", "b"));
    fc.assert(
      fc.property(names, anyText(), anyText(), (covered, a, target) => {
        const of = message({ a: [a], b: ["x"] }, { target });
        const components = covered.map((name) => readComponent(name));
        let lines: number | undefined;
        const refused = outcomeOf(() => {
          lines = signatureBase(of, { components, parameters: new Map() }).split("\n").length;
        });
        expect([covered.length + 1, undefined]).toContain(lines);
        expect(refused === "read").toBe(lines !== undefined);
      }),
    );
  });
});
