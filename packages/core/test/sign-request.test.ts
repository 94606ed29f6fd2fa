import { describe, expect, it } from "vitest";
import { type AuthMeshHeader, parseAuthMeshHeader } from "../src/authorization-header.js";
import { fromBase64Url, utf8 } from "../src/encoding.js";
import { nonceBinds } from "../src/host-binding.js";
import { buildCanonicalString, type OutgoingRequest, signRequest } from "../src/index.js";
import { laptop, noon } from "./verification-fixture.js";

const signer = { key: laptop.publicKey.base64, sign: laptop.sign, now: () => noon * 1000 + 999 };
const signed = async (request: Partial<OutgoingRequest> & { readonly url: URL }) =>
  parseAuthMeshHeader(await signRequest({ method: "GET", ...request }, signer)) as AuthMeshHeader;

describe("signRequest", () => {
  it("signs method, path, sorted query, time, nonce and body", async () => {
    const url = new URL("https://api.example.com/api/orders?b=2&a=1");
    const header = await signed({ method: "post", url, body: '{"amount":100}' });
    expect(header.key).toBe(laptop.publicKey.base64);
    expect(header.timestamp).toBe(String(noon));
    const text = buildCanonicalString(
      "POST",
      "/api/orders?a=1&b=2",
      String(noon),
      header.nonce,
      '{"amount":100}',
    );
    expect(laptop.publicKey.verify(utf8(text), header.signature)).toBe(true);
  });

  it("makes another nonce for each request", async () => {
    const url = new URL("https://api.example.com/");
    const nonces = await Promise.all(Array.from({ length: 20 }, async () => (await signed({ url })).nonce));
    expect(new Set(nonces).size).toBe(20);
  });

  it.each([
    ["https://api.example.com/", "api.example.com"],
    ["https://api.example.com:443/", "api.example.com"],
    ["https://api.example.com:8443/", "api.example.com:8443"],
    ["https://API.example.com./", "api.example.com"],
    ["http://localhost:80/", "localhost"],
    ["http://[::1]:3000/", "[::1]:3000"],
    ["https://user:secret@api.example.com/", "api.example.com"],
    ["https://api.example.com:80/", "api.example.com"],
  ])("binds the nonce for %s to the host %s", async (url, host) => {
    const { nonce } = await signed({ url: new URL(url) });
    const bytes = fromBase64Url(nonce) as Uint8Array;
    expect(nonceBinds(bytes, { host, contentType: "", contentEncoding: "" })).toBe(true);
  });

  it.each([
    ["a body", "x", "text/plain", "gzip", "text/plain", "gzip"],
    ["a body and padded fields", "x", " text/plain\t", " gzip ", "text/plain", "gzip"],
    ["a body without fields", "x", undefined, undefined, "", ""],
    ["an empty body", "", "text/plain", "gzip", "", ""],
    ["no body", undefined, "text/plain", "gzip", "", ""],
  ])("binds content type and encoding with %s", async (_, body, type, encoding, boundType, boundEncoding) => {
    const url = new URL("https://api.example.com/");
    const header = await signed({ method: "POST", url, body, contentType: type, contentEncoding: encoding });
    const bound = { host: "api.example.com", contentType: boundType, contentEncoding: boundEncoding };
    expect(nonceBinds(header.nonceBytes, bound)).toBe(true);
  });

  it.each([
    "https://api.example.com//double",
    "https://api.example.com/p?a=%ff",
    "https://api.example.com/p?a=\\",
    "data:text/plain,x",
  ])("refuses %s, which no verifier would accept", async (url) => {
    await expect(signed({ url: new URL(url) })).rejects.toMatchObject({ code: "malformed_target" });
  });

  it("signs nothing for a target it refuses", async () => {
    let signatures = 0;
    const sign: typeof laptop.sign = (message) => {
      signatures++;
      return laptop.sign(message);
    };
    const request = { method: "GET", url: new URL("https://api.example.com//double") };
    await expect(signRequest(request, { ...signer, sign })).rejects.toThrow();
    expect(signatures).toBe(0);
  });
});
