/** What every adapter must do with a request, whatever the framework. Nothing here needs a test runner. */
import { gzipSync } from "node:zlib";
import type { TrustedDevice } from "@authmesh/core";
import type { VerifyOptions } from "@authmesh/sdk";
import { type Bench, type Exchange, type Outcome, sha256 } from "./exchange.js";

export interface Case {
  readonly name: string;
  /** What the server's verifier is told beside its trust store and audience. */
  readonly options?: VerifyOptions;
  /** The prefix that the framework mounts the verifier and its handler under. Default: none, they take every path. */
  readonly mount?: string;
  readonly run: (bench: Bench) => Promise<Outcome>;
  readonly expected: Outcome;
}

const accepted = (method: string, body: string | Uint8Array = ""): Outcome => ({
  status: 200,
  saw: { by: "caller", method, body: sha256(body) },
  handled: 1,
});
const refused = (status: number, error = "unauthorized"): Outcome => ({ status, error, handled: 0 });

/** A case of one request. */
const one = (
  name: string,
  exchange: Exchange,
  expected: Outcome,
  setting: { options?: VerifyOptions; mount?: string } = {},
): Case => ({ name, ...setting, run: (bench) => bench.send(exchange), expected });

/** A case whose caller is entered in the allow list in another way. */
const entered = (name: string, entry: Partial<TrustedDevice>, expected: Outcome): Case => ({
  name,
  run: (bench) => {
    bench.trust.devices.clear();
    bench.trust.trust(bench.caller, entry);
    return bench.send({});
  },
  expected,
});

const post = { method: "POST" } as const;
const json = { ...post, type: "application/json", body: '{"amount":100}' } as const;
const small: VerifyOptions = { maxBodyBytes: 1000 };
const binary = Uint8Array.from({ length: 4099 }, (_, i) => (i * 7) & 0xff);
const large = new Uint8Array(1024 * 1024).fill(0x61);
const zipped = gzipSync('{"amount":100}');
const multipart = [
  '--x,"y"\r\nContent-Disposition: form-data; name="file"; filename="b.bin"\r\n\r\n',
  Buffer.from(binary).toString("latin1"),
  '\r\n--x,"y"--\r\n',
].join("");

const bodies: readonly Case[] = [
  one("a GET", {}, accepted("GET")),
  one("a HEAD, which has no body in its answer", { method: "HEAD" }, { status: 200, handled: 1 }),
  one("a DELETE without a body", { method: "DELETE" }, accepted("DELETE")),
  one("a POST without a body", post, accepted("POST")),
  one("a POST that announces a body of no bytes", { ...post, sent: { body: "" } }, accepted("POST")),
  one(
    "a POST with an empty body in chunks",
    { ...post, sent: { body: "", framing: "chunks" } },
    accepted("POST"),
  ),
  one("JSON", json, accepted("POST", json.body)),
  one(
    "JSON with white space, duplicate members and odd numbers",
    { ...json, body: '{ "a" : 1e2, "a":"\\u0041", "big": 12345678901234567890, "z":-0 }' },
    accepted("POST", '{ "a" : 1e2, "a":"\\u0041", "big": 12345678901234567890, "z":-0 }'),
  ),
  one("text", { ...post, type: "text/plain", body: "grüße, 世界" }, accepted("POST", "grüße, 世界")),
  one(
    "bytes that are not UTF-8, called text",
    { ...post, type: "text/plain", body: Uint8Array.of(0xff, 0xfe, 0) },
    accepted("POST", Uint8Array.of(0xff, 0xfe, 0)),
  ),
  one(
    "a form",
    { ...post, type: "application/x-www-form-urlencoded", body: "a=1+2&b=%26" },
    accepted("POST", "a=1+2&b=%26"),
  ),
  one(
    "a multipart form",
    { ...post, type: 'multipart/form-data; boundary="x,\\"y\\""', body: multipart },
    accepted("POST", multipart),
  ),
  one("bytes without a content type", { method: "PUT", body: binary }, accepted("PUT", binary)),
  one(
    "a body in chunks",
    { ...json, sent: { framing: "chunks", pieceSize: 3 } },
    accepted("POST", json.body),
  ),
  one("a body of exactly the limit", { ...post, type: "text/plain", body: large }, accepted("POST", large)),
  one(
    "a body in chunks of exactly the limit",
    { ...post, type: "text/plain", body: large, sent: { framing: "chunks", pieceSize: 10_000 } },
    accepted("POST", large),
  ),
  one(
    "an announced body over the limit, before it is sent",
    { ...post, body: "a".repeat(1001), sent: { body: "", framing: 1001, ending: "stall" } },
    refused(413, "payload_too_large"),
    { options: small },
  ),
  one(
    "a body in chunks over the limit, before it ends",
    { ...post, body: "a".repeat(2000), sent: { framing: "chunks", pieceSize: 100, ending: "stall" } },
    refused(413, "payload_too_large"),
    { options: small },
  ),
  one(
    "a stranger's body, before it is sent",
    { ...post, body: "", sent: { authorization: () => [], body: "", framing: 100, ending: "stall" } },
    refused(400, "missing_header"),
  ),
  one(
    "a body that does not end in time",
    { ...json, sent: { framing: 20, ending: "stall" } },
    refused(408, "body_timeout"),
    { options: { bodyTimeoutSeconds: 1 } },
  ),
  {
    name: "an upload that breaks off, and the server serves on",
    run: async (bench) => {
      const broken = await bench.send({ ...json, sent: { framing: 100, ending: "break" } });
      const next = await bench.send(json);
      return { ...next, handled: next.handled + broken.handled };
    },
    expected: accepted("POST", json.body),
  },
  one("another body than the one signed", { ...json, sent: { body: '{"amount":999}' } }, refused(401)),
  one("a body that was left out", { ...json, sent: { body: "" } }, refused(401)),
  one("a body put into a request that had none", { ...post, sent: { body: "x" } }, refused(401)),
  one(
    "a body with bytes in front",
    { ...json, sent: { body: ` ${json.body}`, framing: "chunks" } },
    refused(401),
  ),
  one(
    "a body that is compressed, where that is not expected",
    { ...json, body: zipped, encoding: "gzip" },
    refused(415, "unsupported_content_encoding"),
  ),
  one(
    "a compressed body, as it was received",
    { ...post, type: "application/octet-stream", body: zipped, encoding: "gzip" },
    accepted("POST", zipped),
    { options: { contentEncodings: ["gzip"] } },
  ),
  one(
    "a compressed body that is too large once decoded",
    { ...json, body: gzipSync("a".repeat(1001)), encoding: "gzip" },
    refused(413, "payload_too_large"),
    { options: { ...small, contentEncodings: ["gzip"] } },
  ),
  {
    name: "another content type than the one signed",
    run: async (bench) => bench.sendAs({ ...json, type: "text/plain" }, await bench.authorization(json)),
    expected: refused(401),
  },
];

const targets: readonly Case[] = [
  one("an encoded path", { path: "/echo/a%20b%2Fc%C3%A9/%7Euser" }, accepted("GET")),
  one("a query with everything in it", { path: "/echo?b=2&a=1&a=0&c=%20+&d" }, accepted("GET")),
  one(
    "a query whose parameters were put in another order",
    { path: "/echo?b=2&a=1", sent: { target: "/echo?a=1&b=2" } },
    accepted("GET"),
  ),
  one("a query that was changed", { path: "/echo?a=1", sent: { target: "/echo?a=2" } }, refused(401)),
  one("a path that was changed", { path: "/echo/1", sent: { target: "/echo/2" } }, refused(401)),
  one("a path in other letters", { path: "/echo/a", sent: { target: "/echo/A" } }, refused(401)),
  one(
    "a path that was decoded on the way",
    { path: "/echo/%7Euser", sent: { target: "/echo/~user" } },
    refused(401),
  ),
  one("a trailing slash", { path: "/echo/" }, accepted("GET")),
  one(
    "a trailing slash that was added on the way",
    { path: "/echo", sent: { target: "/echo/" } },
    refused(401),
  ),
  one("a method that was changed", { method: "PUT", sent: { method: "DELETE" } }, refused(401)),
  one("a path with dot segments", { sent: { target: "/a/../echo" } }, refused(400, "malformed_target")),
  one(
    "a path with encoded dot segments",
    { sent: { target: "/a/%2e%2E/echo" } },
    refused(400, "malformed_target"),
  ),
  one(
    "a path that begins with two slashes",
    { sent: { target: "//echo" } },
    refused(400, "malformed_target"),
  ),
  one(
    "a path with a backslash",
    { path: "/echo/x", sent: { target: "/echo\\x" } },
    refused(400, "malformed_target"),
  ),
  one(
    "a target that is a whole URL",
    { sent: { target: "http://127.0.0.1/echo" } },
    refused(400, "malformed_target"),
  ),
  one("a query that is not UTF-8", { sent: { target: "/echo?a=%ff" } }, refused(400, "malformed_target")),
  one(
    "a header that overrides the method",
    { ...post, sent: { headers: [["X-HTTP-Method-Override", "DELETE"]] } },
    refused(400, "malformed_target"),
  ),
  one("a mounted router, whose whole path was signed", { path: "/mounted/echo?a=1" }, accepted("GET"), {
    mount: "/mounted",
  }),
  one("a body for a mounted router", { ...json, path: "/mounted/echo" }, accepted("POST", json.body), {
    mount: "/mounted",
  }),
  one(
    "a mounted router, where the path within was signed",
    { path: "/echo", sent: { target: "/mounted/echo" } },
    refused(401),
    { mount: "/mounted" },
  ),
  one(
    "a prefix that a proxy took off",
    { path: "/api/echo?a=1", sent: { target: "/echo?a=1" } },
    accepted("GET"),
    { options: { pathPrefix: "/api" } },
  ),
  one("a request signed without the prefix", { path: "/echo" }, refused(401), {
    options: { pathPrefix: "/api" },
  }),
  one(
    "two slashes behind the prefix",
    { path: "/api//echo", sent: { target: "//echo" } },
    refused(400, "malformed_target"),
    { options: { pathPrefix: "/api" } },
  ),
  one(
    "a prefix in front of a mounted router",
    { path: "/api/mounted/echo", sent: { target: "/mounted/echo" } },
    accepted("GET"),
    { mount: "/mounted", options: { pathPrefix: "/api" } },
  ),
];

const headers: readonly Case[] = [
  one("no proof", { sent: { authorization: () => [] } }, refused(400, "missing_header")),
  one(
    "a proof of another kind",
    { sent: { authorization: () => ["Bearer x"] } },
    refused(400, "malformed_header"),
  ),
  one(
    "a proof of another version",
    { sent: { authorization: (value) => [value.replace('v="1"', 'v="2"')] } },
    refused(400, "unsupported_version"),
  ),
  one(
    "a proof cut short",
    { sent: { authorization: (value) => [value.slice(0, -10)] } },
    refused(400, "malformed_header"),
  ),
  {
    name: "an HTTP message signature",
    run: async (bench) => bench.sendWith({}, await bench.signature({})),
    expected: accepted("GET"),
  },
  {
    name: "an HTTP message signature beside a token",
    run: async (bench) =>
      bench.sendWith({}, [["Authorization", "OathMesh a.b.c"], ...(await bench.signature({}))]),
    expected: refused(400, "ambiguous_proof"),
  },
  one(
    "a token alone",
    { sent: { authorization: () => ["OathMesh a.b.c"] } },
    refused(400, "malformed_header"),
  ),
  one("two proofs", { sent: { authorization: (value) => [value, value] } }, refused(400, "malformed_header")),
  one(
    "two hosts",
    { sent: { hosts: (host) => [host, "evil.example.com"] } },
    refused(400, "malformed_header"),
  ),
  one(
    "a Host that a proxy wrote, which says nothing against the audience",
    { sent: { hosts: () => ["10.0.0.1"] } },
    accepted("GET"),
  ),
  one(
    "a request that was signed for another host",
    { host: "other.example.com", sent: { hosts: () => ["other.example.com"] } },
    refused(401),
  ),
  one(
    "two content types",
    { ...json, sent: { headers: [["Content-Type", "text/plain"]] } },
    refused(400, "malformed_header"),
  ),
  one(
    "another signature",
    {
      sent: {
        authorization: (value) => [
          value.replace(/sig="(.)/, (_, first) => `sig="${first === "A" ? "B" : "A"}`),
        ],
      },
    },
    refused(401),
  ),
];

const states: readonly Case[] = [
  {
    name: "a device that is not known",
    run: (bench) => bench.send({ by: bench.stranger }),
    expected: refused(401),
  },
  entered("a device that is a target here", { role: "target" }, refused(401)),
  entered("a device whose entry has expired", { expiresAt: 1 }, refused(401)),
  {
    name: "a device that was revoked",
    run: (bench) => {
      bench.trust.revoked.add(bench.caller.publicKey.deviceId);
      return bench.send({});
    },
    expected: refused(401),
  },
  one("a clock 40 s ahead", { at: 40 }, refused(401)),
  one("a clock 40 s behind", { at: -40 }, refused(401)),
  {
    name: "a request that is played again",
    run: async (bench) => {
      const proof = await bench.authorization(json);
      await bench.sendAs(json, proof);
      return bench.sendAs(json, proof);
    },
    expected: refused(401),
  },
  one("a scope that was granted", {}, accepted("GET"), { options: { scope: "orders:r" } }),
  one("a scope that was not granted", {}, refused(403, "scope_missing"), { options: { scope: "orders:w" } }),
  one("a nonce store that cannot be asked", {}, refused(503, "replay_store_unavailable"), {
    options: { nonceStore: { checkAndRecord: () => Promise.reject(new Error("down")) } },
  }),
  {
    name: "a trust store that breaks",
    run: (bench) => {
      bench.trust.find = () => {
        throw new Error("the store broke");
      };
      return bench.send({});
    },
    expected: refused(500, "unexpected_error"),
  },
];

export const cases: readonly Case[] = [...bodies, ...targets, ...headers, ...states];
