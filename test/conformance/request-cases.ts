/**
 * What vectors/request-1.json is made of, written by hand after docs/protocol.md, sections 1 and 2.
 */

/** Unix seconds at which every request is signed. */
export const noon = 1_743_160_800;

/** Request targets that verifiers accept, and what stands in the canonical string for them. */
export const targets: readonly (readonly [target: string, canonical: string])[] = [
  ["/", "/"],
  ["/?", "/"],
  ["/api/orders", "/api/orders"],
  ["/api/orders?b=2&a=1", "/api/orders?a=1&b=2"],
  ["/p?&&", "/p"],
  ["/p?a", "/p?a="],
  ["/p?=", "/p?="],
  ["/p?a=2&b=3&a=1", "/p?a=2&a=1&b=3"],
  ["/p?a=x+y", "/p?a=x+y"],
  ["/p?a=x%20y", "/p?a=x+y"],
  ["/p?a=x%2by", "/p?a=x%2By"],
  ["/p?a=b=c", "/p?a=b%3Dc"],
  ["/p?a=1;b=2", "/p?a=1%3Bb%3D2"],
  ["/p?a='()!~*-._", "/p?a=%27%28%29%21%7E*-._"],
  ["/p?a=100%25", "/p?a=100%25"],
  ["/p?a[]=2&a[]=1", "/p?a%5B%5D=2&a%5B%5D=1"],
  ["/p??a=1", "/p?%3Fa=1"],
  ["/p?%C3%A9=%F0%9F%90%8E", "/p?%C3%A9=%F0%9F%90%8E"],
  ["/p?%EF%BD%9E=1&%F0%9F%90%8E=2", "/p?%F0%9F%90%8E=2&%EF%BD%9E=1"],
  ["/a%2Fb/%7euser//x;v=1", "/a%2Fb/%7euser//x;v=1"],
];

/** Request targets that verifiers refuse with malformed_target. */
export const refusedTargets: readonly string[] = [
  "",
  "*",
  "api/orders",
  "http://api.example.com/api/orders",
  "//evil.example/api",
  "/..",
  "/a/./b",
  "/a/../admin",
  "/%2e%2E/admin",
  "/a/.%2e?b",
  "/a\\b",
  "/p?a=\\",
  "/p#fragment",
  "/a b",
  "/caf\u00e9",
  "/p?a=100%",
  "/p?a=%zz",
  "/p?b[]=1&a=1",
  "/p?f=[a]=b",
  `/p?${"&".repeat(256)}`,
  "/p?a=%ff",
  "/p?a=%C0%AF",
  "/p?a=%ED%A0%80",
];

/** Host headers and their one spelling; null for what is not a host. */
export const hosts: readonly (readonly [host: string, normal: string | null])[] = [
  ["api.example.com", "api.example.com"],
  ["API.Example.com.", "api.example.com"],
  ["api.example.com:80", "api.example.com"],
  ["api.example.com:443", "api.example.com:443"],
  ["api.example.com.:8443", "api.example.com:8443"],
  ["localhost:3000", "localhost:3000"],
  ["[::1]:3000", "[::1]:3000"],
  ["[2001:DB8:0:0::1]", "[2001:db8::1]"],
  ["b\u00fccher.example", "xn--bcher-kva.example"],
  ["", null],
  ["api.example.com/orders", null],
  ["user@api.example.com", null],
  ["api.example.com:99999", null],
];

/** Eight random bytes in hex, and what they are bound to. */
export const bindings: readonly (readonly [
  random: string,
  host: string,
  contentType: string,
  contentEncoding: string,
])[] = [
  ["0001020304050607", "api.example.com", "", ""],
  ["0001020304050607", "api.example.com", "application/json", ""],
  ["0001020304050607", "localhost:3000", "application/json", "gzip"],
  ["ffffffffffffffff", "[::1]:3000", "text/plain;charset=UTF-8", ""],
];

/** A request as it is signed, and what becomes of it on the way. */
export interface Case {
  readonly name: string;
  /** Default GET. */
  readonly method?: string;
  /** Default /api/orders. */
  readonly target?: string;
  /** As it stands in the canonical string. Default the target. */
  readonly canonicalTarget?: string;
  /** Default api.example.com. */
  readonly host?: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly body?: string | Uint8Array;
  /** Sixteen bytes in hex. Default eight random ones and the binding. */
  readonly nonce?: string;
  /** Which key of the vectors signs. Default the first. */
  readonly signer?: number;
  /** Which key stands in the header. Default the first. */
  readonly id?: number;
  readonly signature?: "high s" | "r = s = 0" | "s = n";
  readonly arrives?: {
    readonly now?: number;
    readonly method?: string;
    readonly target?: string;
    readonly host?: string;
    readonly audience?: string;
    readonly contentType?: string;
    readonly contentEncoding?: string;
    readonly body?: string;
    readonly timestamp?: number;
  };
  /** Default "accepted". */
  readonly expected?: string;
}

const json = { method: "POST", contentType: "application/json", body: '{"amount":100}' };

export const cases: readonly Case[] = [
  { name: "POST of JSON", ...json, target: "/api/orders?b=2&a=1", canonicalTarget: "/api/orders?a=1&b=2" },
  { name: "GET without a body" },
  { name: "an empty query", target: "/?", canonicalTarget: "/" },
  {
    name: "a query that needs every rule",
    target: "/p?z=~&%F0%9F%90%8E=1&a=x%20y&a=%2B&&empty",
    canonicalTarget: "/p?a=x+y&a=%2B&empty=&z=%7E&%F0%9F%90%8E=1",
  },
  { name: "a path that stays as it is", target: "/a%2Fb/%7euser//x;v=1" },
  { name: "bytes that are no text", ...json, method: "PUT", body: Uint8Array.of(0, 255, 128, 10) },
  { name: "a body without a content type", method: "POST", body: "x" },
  { name: "a body with a content encoding", ...json, contentEncoding: "identity" },
  { name: "a content type with parameters", ...json, contentType: "text/plain; charset=UTF-8", body: "ž" },
  { name: "a host with a port", ...json, host: "localhost:3000" },
  { name: "an IPv6 host", host: "[::1]:3000" },
  { name: "a Host header in another spelling", ...json, arrives: { host: "API.example.com." } },
  { name: "a query spelt in another way", target: "/p?a=1&b=2", arrives: { target: "/p?b=%32&a=1" } },
  { name: "a signature with high s", ...json, signature: "high s" },
  { name: "a clock 30 s behind", arrives: { now: noon + 30 } },
  { name: "a clock 31 s behind", arrives: { now: noon + 31 }, expected: "clock_skew" },
  { name: "a clock 30 s ahead", arrives: { now: noon - 30 } },
  { name: "a clock 31 s ahead", arrives: { now: noon - 31 }, expected: "clock_skew" },
  { name: "another host", ...json, arrives: { audience: "billing.example.com" }, expected: "host_mismatch" },
  {
    name: "another content type",
    ...json,
    arrives: { contentType: "text/plain" },
    expected: "host_mismatch",
  },
  { name: "an encoding added", ...json, arrives: { contentEncoding: "identity" }, expected: "host_mismatch" },
  { name: "an unbound nonce", nonce: "00112233445566778899aabbccddeeff", expected: "host_mismatch" },
  { name: "another body", ...json, arrives: { body: '{"amount":900}' }, expected: "signature_invalid" },
  { name: "another method", ...json, arrives: { method: "PUT" }, expected: "signature_invalid" },
  { name: "another path", arrives: { target: "/other" }, expected: "signature_invalid" },
  {
    name: "values of one name in another order",
    target: "/p?a=1&a=2",
    arrives: { target: "/p?a=2&a=1" },
    expected: "signature_invalid",
  },
  {
    name: "a second question mark",
    target: "/p?a=1",
    arrives: { target: "/p??a=1" },
    expected: "signature_invalid",
  },
  { name: "another time", arrives: { timestamp: noon + 1 }, expected: "signature_invalid" },
  { name: "a signature by another key", signer: 1, expected: "signature_invalid" },
  { name: "r and s zero", signature: "r = s = 0", expected: "signature_invalid" },
  { name: "s the order of the curve", signature: "s = n", expected: "signature_invalid" },
  { name: "an unknown device", signer: 1, id: 1, expected: "device_unknown" },
];

/** What may be done to the Authorization of the first case, and what a verifier answers. */
export const headerChanges: readonly (readonly [
  name: string,
  change: (authorization: string) => string,
  expected: string,
])[] = [
  ["as sent", (a) => a, "accepted"],
  ["scheme in another case", (a) => a.replace("AuthMesh", "aUTHmESH"), "accepted"],
  ["spaces around commas", (a) => a.replaceAll(",", " , "), "accepted"],
  ["members in another order", (a) => a.replace(/(v="1"),(.*)/, "$2,$1"), "accepted"],
  [
    "id in base64url",
    (a) => a.replace(/id="[^"]+"/, (id) => id.replaceAll("+", "-").replaceAll("/", "_")),
    "accepted",
  ],
  ["1,024 characters", (a) => a.replace(" ", " ".repeat(1025 - a.length)), "accepted"],
  ["1,025 characters", (a) => a.replace(" ", " ".repeat(1026 - a.length)), "malformed_header"],
  ["another scheme", (a) => a.replace("AuthMesh", "Bearer"), "malformed_header"],
  ["no member", () => "AuthMesh", "malformed_header"],
  ["version 2", (a) => a.replace('v="1"', 'v="2"'), "unsupported_version"],
  ["version 2 and unknown syntax", () => 'AuthMesh v="2",alg=x;', "unsupported_version"],
  ["no version", (a) => a.replace('v="1",', ""), "malformed_header"],
  ["no signature", (a) => a.replace(/,sig=.*/, ""), "malformed_header"],
  ["a member twice", (a) => a.replace('v="1",', 'v="1",v="1",'), "malformed_header"],
  ["an unknown member", (a) => `${a},x="1"`, "malformed_header"],
  ["a comma at the end", (a) => `${a},`, "malformed_header"],
  ["a space at the end", (a) => `${a} `, "malformed_header"],
  ["no quotes", (a) => a.replace(`"${noon}"`, String(noon)), "malformed_header"],
  ["an escaped quote", (a) => a.replace(`"${noon}"`, `"${noon}\\""`), "malformed_header"],
  ["a timestamp with a leading zero", (a) => a.replace(String(noon), `0${noon}`), "malformed_header"],
  ["a timestamp of nine digits", (a) => a.replace(String(noon), "174316080"), "malformed_header"],
  ["a nonce of 21 characters", (a) => a.replace(/nonce="./, 'nonce="'), "malformed_header"],
  ["a nonce with stray bits", (a) => a.replace(/nonce="(.{21})./, 'nonce="$1B'), "malformed_header"],
  ["a padded nonce", (a) => a.replace(/nonce="(.{22})/, 'nonce="$1=='), "malformed_header"],
  ["a signature with stray bits", (a) => a.replace(/sig="(.{85})./, 'sig="$1B'), "malformed_header"],
  ["a signature of 87 characters", (a) => a.replace('sig="', 'sig="A'), "malformed_header"],
  ["an id of 43 characters", (a) => a.replace('id="A', 'id="'), "malformed_header"],
  ["an id that is no point", (a) => a.replace(/id="./, 'id="B'), "device_unknown"],
];
