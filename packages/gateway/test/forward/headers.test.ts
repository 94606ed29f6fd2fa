import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerHeaders, answerTrailers } from "../../src/forward/answer-headers.js";
import type { Forwarded } from "../../src/forward/forwarder.js";
import { upstreamHeaders } from "../../src/forward/upstream-headers.js";
import { upstreamTarget } from "../../src/forward/upstream-target.js";
import { admittedCaller, routeSettings } from "./stage.js";

const from = (rawHeaders: readonly string[], forwardProof = false): Forwarded => ({
  route: routeSettings({ forwardProof }),
  admitted: admittedCaller(),
  method: "GET",
  target: "/",
  host: "api.example.com",
  rawHeaders,
  clientAddress: "203.0.113.7",
  forwardedFor: ["198.51.100.1", "203.0.113.7"],
  scheme: "https",
});
const written = [
  "X-Forwarded-For",
  "198.51.100.1, 203.0.113.7",
  "X-Forwarded-Host",
  "api.example.com",
  "X-Forwarded-Proto",
  "https",
];
const names = (headers: readonly string[]) => headers.filter((_, i) => i % 2 === 0);

describe("what the upstream gets of the caller's headers", () => {
  it("is what the caller sent, in its order and spelling, and where it came from", () => {
    const sent = ["Accept", "text/html", "X-Tag", "b", "accept-language", "de", "X-Tag", "a"];
    expect(upstreamHeaders(from(sent))).toEqual([...sent, ...written]);
  });

  it.each([
    "X-AuthMesh-Subject",
    "x-authmesh-subject",
    "X_AuthMesh_Subject",
    "X.AuthMesh.Subject",
    "X-AuthMesh_Subject",
    "x!oathmesh~issuer",
    "X-OathMesh-Anything",
    "Connection",
    "Keep-Alive",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
    "Expect",
    "Host",
    "Content-Length",
    "Content_Length",
    "Authorization",
    "Signature",
    "Signature-Input",
    "AuthMesh-Delegation",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-User",
    "X-Real-IP",
    "X-Original-URL",
    "any_thing",
  ])("has no %s", (name) => {
    expect(upstreamHeaders(from(["Accept", "*/*", name, "eve", name.toLowerCase(), "eve"]))).toEqual([
      "Accept",
      "*/*",
      ...written,
    ]);
  });

  it("has the proof where the route asks for that, and nothing else of the kind", () => {
    const proof = [
      "Authorization",
      "AuthMesh x",
      "Signature",
      "s",
      "Signature-Input",
      "i",
      "AuthMesh-Delegation",
      "d",
    ];
    expect(upstreamHeaders(from([...proof, "X-AuthMesh-Name", "eve"], true))).toEqual([...proof, ...written]);
  });

  it("has the crumbs of HTTP/2 in one Cookie", () => {
    const crumbs = ["cookie", "a=1", "accept", "*/*", "cookie", "b=2", "cookie", "c=3"];
    expect(upstreamHeaders(from(crumbs))).toEqual(["cookie", "a=1; b=2; c=3", "accept", "*/*", ...written]);
  });

  it("never has a name that a service could take for one of the gateway's, whatever the spelling", () => {
    const separator = fc.constantFrom("-", "_", ".", "!", "~", "--", "+", "'");
    const spelt = fc
      .tuple(
        fc.constantFrom("x", "X"),
        separator,
        fc.constantFrom("authmesh", "OathMesh", "forwarded", "ORIGINAL"),
        separator,
        fc.string(),
      )
      .map((parts) => parts.join(""));
    const name = fc.oneof(
      spelt,
      fc.string({ minLength: 1 }),
      fc.constantFrom("Authorization", "signature", "HOST"),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (headers) => {
        const kept = names(upstreamHeaders(from(headers.flat()))).slice(0, -3);
        for (const one of kept) {
          const plain = one.toLowerCase().replace(/[^a-z0-9]/g, "-");
          expect(plain).not.toMatch(
            /^x-(authmesh|oathmesh|forwarded|original)-|^(authorization|signature|host)$/,
          );
          expect(one).not.toContain("_");
        }
        const sent = names(headers.flat());
        expect(kept).toEqual(sent.filter((one) => kept.includes(one)).slice(0, kept.length));
      }),
    );
  });
});

describe("the target that the upstream gets", () => {
  it.each([
    ["/api/orders?b=2", "", "/api/orders?b=2"],
    ["/api/orders?b=/api/2?", "/api", "/orders?b=/api/2?"],
    ["/api", "/api", "/"],
    ["/api/", "/api", "/"],
    ["/api?x", "/api/", "/?x"],
    ["/API/orders", "/api", "/orders"],
    ["/b%C3%BCro/v1/x", "/büro/v1", "/x"],
    ["/", "/", "/"],
  ])("%s less %j is %s", (target, prefix, expected) => {
    expect(upstreamTarget(target, prefix)).toBe(expected);
  });
});

const raw = (...headers: string[]) => headers.map((text) => Buffer.from(text, "latin1"));

describe("what the caller gets of the upstream's headers", () => {
  it("is all but those of the connection, and those that Connection names", () => {
    const given = raw(
      "Server",
      "x",
      "Connection",
      "close, X-Hop",
      "x-hop",
      "1",
      "Keep-Alive",
      "timeout=5",
      "Upgrade",
      "h2c",
    );
    const more = raw(
      "Proxy-Authenticate",
      "Basic",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=\u00fc",
      "Trailer",
      "X-Sum",
    );
    expect(answerHeaders([...given, ...more], 200)).toEqual({
      headers: ["Server", "x", "Set-Cookie", "a=1", "Set-Cookie", "b=\u00fc"],
      trailers: undefined,
    });
  });

  it("tells of trailers where the body comes in chunks", () => {
    expect(
      answerHeaders(raw("Transfer-Encoding", "Chunked", "Trailer", "X-Sum", "trailer", "X-More"), 200),
    ).toEqual({
      headers: [],
      trailers: "X-Sum, X-More",
    });
  });

  it.each([["gzip, chunked"], ["chunked, chunked"], ["identity"], [""]])(
    "is nothing where the coding is %j",
    (coding) => {
      expect(() => answerHeaders(raw("Transfer-Encoding", coding), 200)).toThrow(
        expect.objectContaining({ code: "upstream_garbled" }),
      );
    },
  );

  it("has after the body nothing that would say where it ends, or what it is", () => {
    const given = raw(
      "X-Sum",
      "1",
      "x-sum",
      "2",
      "Content-Length",
      "3",
      "Transfer-Encoding",
      "chunked",
      "Set-Cookie",
      "a",
    );
    expect(answerTrailers(given)).toEqual({ "x-sum": ["1", "2"] });
  });

  it("is headers or an error of the catalogue, whatever the bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 20 }).map((given) => Buffer.from(given));
    const known = fc
      .constantFrom("connection", "transfer-encoding", "trailer", "__proto__")
      .map((name) => Buffer.from(name));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(bytes, known), bytes)), (headers) => {
        try {
          answerHeaders(headers.flat(), 200);
          answerTrailers(headers.flat());
        } catch (error) {
          expect(error).toMatchObject({ name: "AmeshError", code: "upstream_garbled" });
        }
      }),
    );
  });
});

it.each([
  [200, ["content-length", "5"]],
  [204, []],
  [101, []],
])("an answer with %i says its length only where it can have one", (status, headers) => {
  expect(answerHeaders(raw("content-length", "5"), status).headers).toEqual(headers);
});

it("an answer says nothing in the gateway's own name, also not behind its body", () => {
  const ours = raw("AuthMesh-Decision", "d", "authmesh-error", "e", "X-Own", "1");
  expect(answerHeaders(ours, 200).headers).toEqual(["X-Own", "1"]);
  expect(answerTrailers(ours)).toEqual({ "x-own": ["1"] });
});
