import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildCanonicalString, canonicalTarget } from "../src/index.js";

const hashOf = (body: string | Uint8Array) => createHash("sha256").update(body).digest("hex");

describe("the canonical string", () => {
  it("is six lines without a newline at the end", () => {
    const text = buildCanonicalString(
      "POST",
      "/api/orders?b=2&a=1",
      "1743160800",
      "myNonce",
      '{"amount":100}',
    );
    expect(text.split("\n")).toEqual([
      "AMv1",
      "POST",
      "/api/orders?a=1&b=2",
      "1743160800",
      "myNonce",
      hashOf('{"amount":100}'),
    ]);
  });

  it("hashes the empty string where there is no body", () => {
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    expect(buildCanonicalString("GET", "/", "1743160800", "n")).toBe(`AMv1\nGET\n/\n1743160800\nn\n${empty}`);
    expect(buildCanonicalString("GET", "/", "1743160800", "n", "")).toBe(
      `AMv1\nGET\n/\n1743160800\nn\n${empty}`,
    );
  });

  it("takes text for its UTF-8 bytes", () => {
    const text = buildCanonicalString("POST", "/", "1743160800", "n", "žluťoučký 🐎");
    expect(text).toBe(buildCanonicalString("POST", "/", "1743160800", "n", Buffer.from("žluťoučký 🐎")));
    expect(text).toContain(hashOf("žluťoučký 🐎"));
  });

  it("hashes the bytes of a body that is no text", () => {
    const body = Uint8Array.of(0, 255, 128, 10, 13);
    expect(buildCanonicalString("PUT", "/", "1743160800", "n", body)).toContain(hashOf(body));
  });

  it("has the method in upper case", () => {
    expect(buildCanonicalString("patch", "/", "1743160800", "n")).toBe(
      buildCanonicalString("PATCH", "/", "1743160800", "n"),
    );
  });
});

describe("the canonical target", () => {
  it.each([
    ["/", "/"],
    ["/?", "/"],
    ["/?&&", "/"],
    ["/p?a", "/p?a="],
    ["/p?a=", "/p?a="],
    ["/p?=a", "/p?=a"],
    ["/p?=", "/p?="],
    ["/p?b=2&a=1", "/p?a=1&b=2"],
    ["/p?b=2&&a=1&", "/p?a=1&b=2"],
    ["/p?a=2&a=1", "/p?a=2&a=1"],
    ["/p?b=1&a=2&b=0&a=1", "/p?a=2&a=1&b=1&b=0"],
    ["/p?a=x+y", "/p?a=x+y"],
    ["/p?a=x%20y", "/p?a=x+y"],
    ["/p?a=x%2By", "/p?a=x%2By"],
    ["/p?a=%2f%2F", "/p?a=%2F%2F"],
    ["/p?a=b=c", "/p?a=b%3Dc"],
    ["/p?a=1;b=2", "/p?a=1%3Bb%3D2"],
    ["/p?a='()!~*-._", "/p?a=%27%28%29%21%7E*-._"],
    ["/p?a=100%", "/p?a=100%25"],
    ["/p?a=%zz", "/p?a=%25zz"],
    ["/p?a[]=1&a[0]=2", "/p?a%5B0%5D=2&a%5B%5D=1"],
    ["/p?%C3%A9=%F0%9F%90%8E", "/p?%C3%A9=%F0%9F%90%8E"],
    ["/p?%EF%BB%BFa=1", "/p?%EF%BB%BFa=1"],
    ["/p?B=1&a=2", "/p?B=1&a=2"],
    ["/p?a=1/2:3@4,5$6", "/p?a=1%2F2%3A3%404%2C5%246"],
    ["/p%2Fq/%7euser//x", "/p%2Fq/%7euser//x"],
    ["/p;v=1?a", "/p;v=1?a="],
  ])("of %s is %s", (target, canonical) => {
    expect(canonicalTarget(target)).toBe(canonical);
  });

  it("sorts names by UTF-16 code units, so that U+1F40E stands before U+FF5E", () => {
    expect(canonicalTarget("/p?%EF%BD%9E=1&%F0%9F%90%8E=2")).toBe("/p?%F0%9F%90%8E=2&%EF%BD%9E=1");
  });

  it("keeps a second question mark as part of the first name", () => {
    expect(canonicalTarget("/p??a=1")).toBe("/p?%3Fa=1");
    expect(canonicalTarget("/p??a=1")).not.toBe(canonicalTarget("/p?a=1"));
  });

  it("holds the same parameters as the target, path untouched, and is its own canonical form", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 6 });
    const path = fc
      .array(fc.constantFrom("/", "api", "%2F", "%7e", ";v=1", "a.b"))
      .map((parts) => parts.join(""));
    const parameters = fc.array(fc.tuple(text, text), { maxLength: 6 });
    fc.assert(
      fc.property(parameters, path, (pairs, path) => {
        const query = pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
        const canonical = canonicalTarget(`/${path}?${query}`);
        const [canonicalPath, canonicalQuery = ""] = canonical.split("?");
        expect(canonicalPath).toBe(`/${path}`);
        const stably = pairs
          .map(([name, value], index) => ({ name, value, index }))
          .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index));
        expect([...new URLSearchParams(canonicalQuery)]).toEqual(
          stably.map(({ name, value }) => [name, value]),
        );
        expect(canonicalTarget(canonical)).toBe(canonical);
      }),
    );
  });
});
