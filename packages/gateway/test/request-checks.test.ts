import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ambiguityOf, type RequestHead } from "../src/inbound/request-checks.js";

const plain: RequestHead = {
  method: "GET",
  target: "/orders?page=2",
  httpVersion: "1.1",
  rawHeaders: ["Host", "api.example.com:8088", "Connection", "keep-alive, TE", "Cookie", "a=1"],
};
const withHeaders = (...rawHeaders: string[]): RequestHead => ({
  ...plain,
  rawHeaders: ["Host", "a.example", ...rawHeaders],
});
const withTarget = (target: string): RequestHead => ({ ...plain, target });

describe("a request that reads in one way", () => {
  it.each<readonly [string, RequestHead]>([
    ["of HTTP/1.1", plain],
    ["with a length", withHeaders("Content-Length", "12")],
    ["in chunks", withHeaders("transfer-encoding", "Chunked")],
    ["of HTTP/1.0 without a host", { ...plain, httpVersion: "1.0", rawHeaders: [] }],
    ["of HTTP/2", { ...plain, httpVersion: "2", rawHeaders: ["host", "a.example", "content-length", "3"] }],
    ["for an address of IPv6", { ...plain, rawHeaders: ["Host", "[::1]:8088"] }],
    ["for a host in capitals, with a dot at its end", { ...plain, rawHeaders: ["Host", "A.Example.:8088"] }],
    ["for its scheme's port", { ...plain, rawHeaders: ["Host", "a.example:80"] }],
    ["for an address", { ...plain, rawHeaders: ["Host", "127.0.0.1:80"] }],
    ["for a name in punycode", { ...plain, rawHeaders: ["Host", "XN--MNCHEN-3YA.example"] }],
    ["with what needs escapes", withTarget("/a%20b/%C3%BC?q=%2F;")],
    ["with a letter that has compatible ones", withTarget("/%EF%BD%81/%C2%BD/a%C2%A0b")],
    ["that offers h2c", withHeaders("Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c")],
    ["of another method", { ...plain, method: "VERSION-CONTROL" }],
  ])("is let through: %s", (_, head) => {
    expect(ambiguityOf(head)).toBeUndefined();
  });
});

describe("a request that could be read in two ways", () => {
  it.each<readonly [string, RequestHead, RegExp]>([
    ["TRACE", { ...plain, method: "TRACE" }, /TRACE/],
    ["TRACK", { ...plain, method: "TRACK" }, /TRACK/],
    ["CONNECT", { ...plain, method: "CONNECT", target: "a.example:443" }, /CONNECT/],
    ["a method in small letters", { ...plain, method: "get" }, /capitals/],
    ["a method with a space", { ...plain, method: "GET /" }, /capitals/],
    ["no host", { ...plain, rawHeaders: [] }, /no Host/],
    ["no host, of HTTP/2", { ...plain, httpVersion: "2", rawHeaders: [] }, /no Host/],
    ["two hosts", withHeaders("HOST", "b.example"), /more than one Host/],
    ["the same host twice", withHeaders("host", "a.example"), /more than one Host/],
    ["a host with a path", { ...plain, rawHeaders: ["Host", "a.example/x"] }, /not a host/],
    ["a host with a user", { ...plain, rawHeaders: ["Host", "me@a.example"] }, /not a host/],
    ["a host with a space", { ...plain, rawHeaders: ["Host", "a.example b"] }, /not a host/],
    ["a host beyond ASCII", { ...plain, rawHeaders: ["Host", "ä.example"] }, /not a host/],
    ...[
      "adm%69n.example.com",
      "admin%2Eexample.com",
      "admin.example.com%2e",
      "admin%E3%80%82example.com",
      "%EF%BD%81dmin.example.com",
      "admin.example.com..",
      "127.1",
      "0x7f.1",
      "2130706433",
      "0177.0.0.1",
      "127.0.0.1..:80",
      "[::0001]",
      "[0:0:0:0:0:0:0:1]:80",
      "[::ffff:127.0.0.1]",
    ].map((host): [string, RequestHead, RegExp] => [
      `the host ${host}`,
      { ...plain, rawHeaders: ["Host", host] },
      /another way to write|not a host/,
    ]),
    ["HTTP/0.9 by name", { ...plain, httpVersion: "0.9" }, /HTTP\/0\.9/],
    ["HTTP/2.0 in the manner of HTTP/1", { ...plain, httpVersion: "2.0" }, /HTTP\/2\.0/],
    ["an empty host", { ...plain, rawHeaders: ["Host", ""] }, /not a host/],
    [
      "two lengths",
      withHeaders("Content-Length", "3", "content-length", "3"),
      /more than one Content-Length/,
    ],
    ["a list of lengths", withHeaders("Content-Length", "3, 3"), /not a number/],
    ["a signed length", withHeaders("Content-Length", "+3"), /not a number/],
    ["a length in hexadecimal", withHeaders("Content-Length", "0x3"), /not a number/],
    ["an empty length", withHeaders("Content-Length", ""), /not a number/],
    ["a huge length", withHeaders("Content-Length", "9".repeat(30)), /not a number/],
    ["length and chunks", withHeaders("Content-Length", "3", "Transfer-Encoding", "chunked"), /beside/],
    ["chunks twice", withHeaders("Transfer-Encoding", "chunked, chunked"), /chunked/],
    ["two codings", withHeaders("Transfer-Encoding", "gzip", "Transfer-Encoding", "chunked"), /chunked/],
    ["identity", withHeaders("Transfer-Encoding", "identity"), /chunked/],
    ["chunks in HTTP/1.0", { ...withHeaders("Transfer-Encoding", "chunked"), httpVersion: "1.0" }, /1\.0/],
    ["Connection that names Host", withHeaders("Connection", "close, Host"), /names "host"/],
    ["Connection that names ours", withHeaders("Connection", "X-AuthMesh-Subject"), /names/],
    ["an upgrade with a body", withHeaders("Upgrade", "websocket", "Content-Length", "3"), /body/],
    ["absolute form", withTarget("http://a.example/"), /slash/],
    ["asterisk form", withTarget("*"), /slash/],
    ["nothing", withTarget(""), /slash/],
    ["a fragment", withTarget("/a#b"), /#/],
    ["a tab", withTarget("/a\tb"), /control/],
    ["bytes beyond ASCII", withTarget("/ü"), /ASCII/],
    ["two slashes", withTarget("//a"), /segments/],
    ["two slashes within", withTarget("/a//b"), /segments/],
    ["dot segments", withTarget("/a/../b"), /segments/],
    ["a dot segment at the end", withTarget("/a/."), /segments/],
    ["hidden dots", withTarget("/a/%2e%2e/b"), /segments/],
    ["a hidden slash", withTarget("/a%2fb"), /segments/],
    ["a backslash", withTarget("/a\\b"), /segments/],
    ["a hidden backslash", withTarget("/a%5Cb"), /segments/],
    ["parameters", withTarget("/a;x=1/b"), /segments/],
    ["NUL", withTarget("/a%00"), /segments/],
    ["an escaped letter", withTarget("/%61dmin"), /segments/],
    ["an escape of an escape", withTarget("/%2561dmin"), /segments/],
    ["small hexadecimal", withTarget("/%c3%bc"), /segments/],
    ["a fullwidth slash", withTarget("/a/..%EF%BC%8Fb"), /segments/],
    ["fullwidth dots", withTarget("/a/%EF%BC%8E%EF%BC%8E/b"), /segments/],
    ["two dots in one character", withTarget("/a/%E2%80%A5/b"), /segments/],
    ["a fullwidth percent sign", withTarget("/a/%EF%BC%852e"), /segments/],
    ["no UTF-8", withTarget("/%C0%AF"), /segments/],
  ])("is refused: %s", (_, head, detail) => {
    expect(ambiguityOf(head)).toMatchObject({ code: "ambiguous_request", status: 400 });
    expect(ambiguityOf(head)?.detail).toMatch(detail);
  });

  it("is told of, or let through, whatever it holds", () => {
    const text = fc.string({ unit: "binary", maxLength: 20 });
    const name = fc.oneof(text, fc.constantFrom("Host", "Content-Length", "Transfer-Encoding", "Connection"));
    const head = fc.record({
      method: text,
      target: fc.oneof(text, fc.webPath()),
      httpVersion: fc.constantFrom("1.0", "1.1", "2"),
      rawHeaders: fc.array(fc.tuple(name, text)).map((pairs) => pairs.flat()),
    });
    fc.assert(
      fc.property(head, (request) => {
        const found = ambiguityOf(request);
        expect(found === undefined || found.code === "ambiguous_request").toBe(true);
      }),
    );
  });
});
