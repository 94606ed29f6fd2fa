import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { targetProblem } from "../src/request-target.js";
import { anyText } from "./any-text.js";

describe("a request target that reads in one way only", () => {
  it.each([
    "/",
    "/api/orders",
    "/api/orders/",
    "/api//orders",
    "/api/orders?b=2&a=1",
    "/?",
    "/p??a",
    "/p?next=/../x",
    "/p?next=%2e%2e/",
    "/p?a=//b",
    "/.well-known/x",
    "/...",
    "/..a/.b",
    "/a..",
    "/a/b.%2e",
    "/%2e%2e%2e",
    "/%252e%252e/x",
    "/caf%C3%A9",
    "/%ff",
    "/p?a=%C3%A9&b=%25",
    "/p?a[]=2&a[]=1&b[x]=1",
    "/p?a%5Bb%5D=1",
    "/p?a[b]=%5D=x",
    `/p?${"&".repeat(255)}`,
    "/a:b@c;d=e,f!$&'()*+~|^[]{}`<>\"",
  ])("is accepted: %s", (target) => expect(targetProblem(target)).toBeUndefined());

  it.each([
    ["", "start"],
    ["*", "start"],
    ["api/orders", "start"],
    ["?a=1", "start"],
    ["http://api.example.com/api/orders", "start"],
    ["api.example.com:443", "start"],
    ["//evil.example/api", "two slashes"],
    ["///", "two slashes"],
    ["/..", "segment"],
    ["/.", "segment"],
    ["/../admin", "segment"],
    ["/a/../admin", "segment"],
    ["/a/./b", "segment"],
    ["/a/..?b", "segment"],
    ["/%2e%2e/admin", "segment"],
    ["/%2E%2e/admin", "segment"],
    ["/%2E.", "segment"],
    ["/a/.%2E/b", "segment"],
    ["/a/%2e", "segment"],
    ["/a/%2e?b", "segment"],
    ["/a\\b", "backslash"],
    ["/p?a=\\", "backslash"],
    ["/\\evil.example", "backslash"],
    ["/p#fragment", "#"],
    ["/p?a=#", "#"],
    ["/a b", "0x21"],
    ["/a\tb", "0x21"],
    ["/a\r\nb", "0x21"],
    ["/\u0000", "0x21"],
    ["/a\u007f", "0x21"],
    ["/café", "0x21"],
    ["/p?q=é", "0x21"],
    ["/\ud800", "0x21"],
    ["/p?a=%", "two hexadecimal"],
    ["/p?a=%zz", "two hexadecimal"],
    ["/p?a=%4", "two hexadecimal"],
    ["/p?a=50%%26x", "two hexadecimal"],
    // Parsers count empty parameters, and drop what comes after the thousandth.
    [`/del?id=5${"&".repeat(1001)}dryRun=true`, "more than 256"],
    [`/p?${"&".repeat(256)}`, "more than 256"],
    // Parsers of nested names join and order these as they come.
    ["/p?to[]=b&to=a", "not sorted"],
    ["/p?to[0]=b&to[]=a&to=x", "not sorted"],
    ["/p?to%5B%5D=b&to=a", "not sorted"],
    ["/p?f=[a]=b", '"]="'],
    ["/p?a=%ff", "UTF-8"],
    ["/p?a=%C3", "UTF-8"],
    ["/p?a=%C3x", "UTF-8"],
    ["/p?%C0%AF", "UTF-8"],
    ["/p?a=%ED%A0%80", "UTF-8"],
    ["/p?a=%F4%90%80%80", "UTF-8"],
    ["/p?a=%e2%82&b=%ac", "UTF-8"],
  ])("is not %j", (target, problem) => expect(targetProblem(target)).toContain(problem));

  it("is what a URL parser leaves as it is", () => {
    const piece = fc.constantFrom(
      "/",
      ".",
      "..",
      "%2e",
      "%2E",
      "a",
      "?",
      "#",
      "\\",
      "%",
      "%41",
      " ",
      "é",
      "@",
      ":",
      "%c3%a9",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const target = `/${pieces.join("")}`;
        if (targetProblem(target) !== undefined) return;
        const url = new URL(`http://api.example.com${target}`);
        expect(url.host).toBe("api.example.com");
        // An empty query is written without its mark.
        expect(url.pathname + url.search).toBe(
          target.endsWith("?") && url.search === "" ? target.slice(0, -1) : target,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("has a verdict, whatever the text", () => {
    fc.assert(
      fc.property(anyText(50), (text) => {
        expect(["string", "undefined"]).toContain(typeof targetProblem(text));
        expect(["string", "undefined"]).toContain(typeof targetProblem(`/?${text}`));
      }),
      { numRuns: 500 },
    );
  });
});
