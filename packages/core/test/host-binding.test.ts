import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64Url } from "../src/encoding.js";
import { type Bound, boundNonce, nonceBinds, normalizeHost } from "../src/host-binding.js";
import { anyText } from "./any-text.js";

describe("a host has one spelling", () => {
  it.each([
    ["api.example.com", "api.example.com"],
    ["API.Example.COM", "api.example.com"],
    ["api.example.com.", "api.example.com"],
    ["api.example.com.:8443", "api.example.com:8443"],
    ["api.example.com:80", "api.example.com"],
    ["api.example.com:443", "api.example.com:443"],
    ["api.example.com:08080", "api.example.com:8080"],
    ["api.example.com:", "api.example.com"],
    ["localhost:3000", "localhost:3000"],
    ["127.0.0.1:3000", "127.0.0.1:3000"],
    ["[::1]:3000", "[::1]:3000"],
    ["[0:0:0:0:0:0:0:1]", "[::1]"],
    ["[2001:DB8::1]", "[2001:db8::1]"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["service_b", "service_b"],
  ])("%s is %s", (host, normal) => expect(normalizeHost(host)).toBe(normal));

  it("leaves out the default port of https where https is meant", () => {
    expect(normalizeHost("api.example.com:443", "https")).toBe("api.example.com");
    expect(normalizeHost("api.example.com:80", "https")).toBe("api.example.com:80");
  });

  it.each([
    "",
    ".",
    ":80",
    "a b",
    " a",
    "a\t",
    "a\u0001",
    "a\u0000b",
    "a/b",
    "http://a",
    "a?b",
    "a#b",
    "user@a",
    "a\\b",
    "a:99999",
    "a:b",
    "a:80:80",
    "::1",
    "[::1",
    "[::g]",
    "a%00b",
    "a<b",
    "a..",
    ".:8443",
    ".a",
    "\uff0c",
    "a..b:80",
  ])("%j is not a host", (text) => expect(normalizeHost(text)).toBeUndefined());

  it("has one answer for its own answer, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText(),
          fc.domain(),
          fc.ipV4(),
          fc.ipV6().map((ip) => `[${ip}]`),
        ),
        (text) => {
          const normal = normalizeHost(text);
          if (normal !== undefined) expect(normalizeHost(normal)).toBe(normal);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("writes a name without empty labels as the parser of URLs does, whether or not it asks that", () => {
    const piece = fc.constantFrom(
      "a",
      "z",
      "0",
      "9",
      "0x",
      "-",
      "xn--",
      "xn--a",
      ".",
      ":",
      "80",
      ":8088",
      ":0080",
    );
    const name = fc.array(piece, { minLength: 1, maxLength: 80 }).map((pieces) => pieces.join(""));
    const byParser = (host: string) => {
      try {
        const { host: normal } = new URL(`http://${host}`);
        return normal.startsWith(".") || normal.includes("..")
          ? undefined
          : normal.replace(/\.(?=$|:\d+$)/, "");
      } catch {
        return undefined;
      }
    };
    fc.assert(
      fc.property(name, (host) => {
        expect(normalizeHost(host)).toBe(byParser(host));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("a nonce", () => {
  const bound: Bound = {
    host: "api.example.com",
    contentType: "application/json",
    contentEncoding: "gzip",
  };
  const made = (from: Bound, seed = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)) => boundNonce(from, () => seed);
  const bytesOf = (nonce: string) => fromBase64Url(nonce) as Uint8Array;

  it("is 8 random bytes and 8 of the hash over them and what is bound", () => {
    const seed = Buffer.from("0102030405060708", "hex");
    const hash = createHash("sha256")
      .update("AMv1-bind\napi.example.com\napplication/json\ngzip\n")
      .update(seed)
      .digest();
    expect(made(bound)).toBe(Buffer.concat([seed, hash.subarray(0, 8)]).toString("base64url"));
  });

  it("asks for eight random bytes each time", () => {
    const asked: number[] = [];
    boundNonce(bound, (length) => {
      asked.push(length);
      return new Uint8Array(length);
    });
    expect(asked).toEqual([8]);
    expect(new Set(Array.from({ length: 1000 }, () => boundNonce(bound))).size).toBe(1000);
  });

  it("binds what it was made for and nothing else", () => {
    const nonce = bytesOf(made(bound));
    expect(nonceBinds(nonce, bound)).toBe(true);
    for (const change of [
      { host: "other.example.com" },
      { host: "api.example.com:8443" },
      { contentType: "application/json; charset=utf-8" },
      { contentType: "Application/json" },
      { contentType: "" },
      { contentEncoding: "" },
      { contentEncoding: "br" },
    ]) {
      expect(nonceBinds(nonce, { ...bound, ...change })).toBe(false);
    }
  });

  it("with any bit changed binds nothing", () => {
    for (let bit = 0; bit < 128; bit++) {
      const nonce = Uint8Array.from(bytesOf(made(bound)));
      nonce[bit >> 3] = (nonce[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(nonceBinds(nonce, bound)).toBe(false);
    }
  });

  it("tells an empty content type with an encoding from the same text as a content type", () => {
    const encoded = bytesOf(made({ ...bound, contentType: "", contentEncoding: "gzip" }));
    expect(nonceBinds(encoded, { ...bound, contentType: "gzip", contentEncoding: "" })).toBe(false);
  });
});
