import { createHash } from "node:crypto";
import { makeSignature, privateKeys, publicKeys, sha256 } from "./make-vectors.js";
import { noon } from "./request-cases.js";

/**
 * vectors/http-signature-1.json, made as request-1.json is: nothing in it comes from @authmesh/core.
 * `npx vitest run --project whole test/conformance/http-signature.test.ts -u` writes it.
 */
export interface HttpSignatureVectors {
  readonly about: string;
  readonly device: { readonly privateKey: string; readonly publicKey: string; readonly deviceId: string };
  readonly requests: readonly HttpSignatureVector[];
}

/** A request as it arrives at a verifier that trusts the device and answers to one host. */
export interface HttpSignatureVector {
  readonly name: string;
  /** Unix seconds on the verifier's clock. */
  readonly now: number;
  readonly audience: string;
  readonly method: string;
  readonly target: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Base64; absent when there is none. */
  readonly body?: string;
  /** The signature base that was signed. */
  readonly signed: string;
  /** "accepted", or the code of the refusal. */
  readonly expected: string;
}

const [deviceKey, otherKey] = privateKeys as [Buffer, Buffer];
const [devicePublic] = publicKeys as [Buffer];
const deviceId = `am_${sha256(devicePublic).toString("base64url").slice(0, 16)}`;
const host = "api.example.com";
const order = '{"amount":100}';

const digestOf = (algorithm: "sha-256" | "sha-512", body: string) =>
  `${algorithm}=:${createHash(algorithm.replace("-", "")).update(body).digest("base64")}:`;

interface Case {
  readonly name: string;
  readonly body?: string;
  /** Lines of the base, name and value, in the order in which they are covered. */
  readonly covered?: readonly (readonly [name: string, value: string])[];
  /** In place of the parameters' text. */
  readonly parameters?: (text: string) => string;
  readonly signer?: Buffer;
  readonly signature?: "high s" | "r = s = 0";
  /** What arrives, where it is not what was signed. */
  readonly arrives?: Partial<Pick<HttpSignatureVector, "now" | "method" | "target" | "headers">> & {
    readonly body?: string;
  };
  readonly expected?: string;
}

const line = {
  method: ["@method", "POST"],
  authority: ["@authority", host],
  path: ["@path", "/api/orders"],
  query: ["@query", "?b=2&a=1"],
  digest: ["content-digest", digestOf("sha-256", order)],
  type: ["content-type", "application/json"],
} as const;
const all = Object.values(line);
const but = (...left: readonly (keyof typeof line)[]) =>
  Object.entries(line).flatMap(([name, each]) => (left.some((one) => one === name) ? [] : [each]));
const bare = [["@method", "GET"], line.authority, line.path] as const;
const replaced = (from: string, to: string) => (text: string) => text.replace(from, to);
const times = (created: number, expires: number) =>
  replaced(`created=${noon};expires=${noon + 60}`, `created=${created};expires=${expires}`);
const malformed = { expected: "malformed_header" };
const incomplete = { expected: "coverage_incomplete" };
const refused = { expected: "signature_invalid" };

const cases: readonly Case[] = [
  { name: "a body, a query, a content type", body: order, covered: all },
  { name: "neither body nor query", covered: bare, arrives: { target: "/api/orders" } },
  {
    name: "a mark without a query",
    covered: [...bare, ["@query", "?"]],
    arrives: { target: "/api/orders?" },
  },
  { name: "s in the upper half", body: order, covered: all, signature: "high s" },
  {
    name: "the digest sha-512",
    body: order,
    covered: [...but("digest"), ["content-digest", digestOf("sha-512", order)]],
  },
  {
    name: "a query that is kept byte for byte",
    covered: [...bare, ["@query", "?a=%20&&b=x+y&a"]],
    arrives: { target: "/api/orders?a=%20&&b=x+y&a" },
  },
  {
    name: "more than must be",
    covered: [...bare, ["x-request-id", "7"]],
    arrives: { target: "/api/orders" },
  },
  { name: "a device 30 seconds ahead", body: order, covered: all, parameters: times(noon + 30, noon + 330) },
  { name: "expired 30 seconds ago", body: order, covered: all, arrives: { now: noon + 90 } },
  {
    name: "a device 31 seconds ahead",
    body: order,
    covered: all,
    parameters: times(noon + 31, noon + 60),
    expected: "clock_skew",
  },
  {
    name: "expired 31 seconds ago",
    body: order,
    covered: all,
    arrives: { now: noon + 91 },
    expected: "clock_skew",
  },
  {
    name: "a life of 301 seconds",
    body: order,
    covered: all,
    parameters: times(noon, noon + 301),
    ...malformed,
  },
  { name: "no life", body: order, covered: all, parameters: times(noon, noon), ...malformed },
  {
    name: "no end",
    body: order,
    covered: all,
    parameters: replaced(`;expires=${noon + 60}`, ""),
    ...malformed,
  },
  { name: "no begin", body: order, covered: all, parameters: replaced(`;created=${noon}`, ""), ...malformed },
  {
    name: "no algorithm",
    body: order,
    covered: all,
    parameters: replaced(';alg="ecdsa-p256-sha256"', ""),
    ...malformed,
  },
  { name: "a parameter more", body: order, covered: all, parameters: (text) => `${text};a=1`, ...malformed },
  {
    name: "a foreign tag",
    body: order,
    covered: all,
    parameters: replaced('"amesh"', '"other"'),
    expected: "missing_header",
  },
  { name: "no method", body: order, covered: but("method"), ...incomplete },
  { name: "no authority", body: order, covered: but("authority"), ...incomplete },
  { name: "no path", body: order, covered: but("path"), ...incomplete },
  { name: "no query", body: order, covered: but("query"), ...incomplete },
  { name: "no digest", body: order, covered: but("digest"), ...incomplete },
  {
    name: "no content type",
    body: order,
    covered: but("type"),
    arrives: { headers: { "content-type": "text/plain" } },
    ...incomplete,
  },
  { name: "another body", body: order, covered: all, arrives: { body: '{"amount":900}' }, ...refused },
  { name: "another method", body: order, covered: all, arrives: { method: "PUT" }, ...refused },
  {
    name: "another order of the query",
    body: order,
    covered: all,
    arrives: { target: "/api/orders?a=1&b=2" },
    ...refused,
  },
  {
    name: "another content type",
    body: order,
    covered: all,
    arrives: { headers: { "content-type": "text/plain" } },
    ...refused,
  },
  { name: "another key", body: order, covered: all, signer: otherKey, ...refused },
  { name: "a signature of zeros", body: order, covered: all, signature: "r = s = 0", ...refused },
  {
    name: "another host, named by Host",
    body: order,
    covered: [...but("authority"), ["@authority", "other.example"]],
    arrives: { headers: { host: "other.example" } },
    expected: "host_mismatch",
  },
  {
    name: "a device that is not known",
    body: order,
    covered: all,
    parameters: replaced(deviceId, "am_0123456789abcdef"),
    expected: "device_unknown",
  },
];

export function makeHttpSignatureVectors(): HttpSignatureVectors {
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, section 3. Private keys are hex, bodies and public keys base64.",
    device: {
      privateKey: deviceKey.toString("hex"),
      publicKey: devicePublic.toString("base64"),
      deviceId,
    },
    requests: cases.map(makeRequest),
  };
}

function makeRequest(vector: Case): HttpSignatureVector {
  const { name, body, covered = [], parameters = (text: string) => text, arrives = {} } = vector;
  const nonce = sha256(name).subarray(0, 16).toString("base64url");
  const names = covered.map(([component]) => `"${component}"`).join(" ");
  const said = parameters(
    `(${names});created=${noon};expires=${noon + 60};nonce="${nonce}";keyid="${deviceId}";alg="ecdsa-p256-sha256";tag="amesh"`,
  );
  const lines = covered.map(([component, value]) => `"${component}": ${value}\n`).join("");
  const signed = `${lines}"@signature-params": ${said}`;
  const raw = Buffer.from(makeSignature(signed, vector.signer ?? deviceKey, vector.signature), "base64url");
  const fields = covered.filter(([component]) => !component.startsWith("@"));
  const arriving = arrives.body ?? body;
  return {
    name,
    now: arrives.now ?? noon,
    audience: host,
    method: arrives.method ?? (body === undefined ? "GET" : "POST"),
    target: arrives.target ?? "/api/orders?b=2&a=1",
    headers: {
      host,
      ...Object.fromEntries(fields),
      "signature-input": `sig=${said}`,
      signature: `sig=:${raw.toString("base64")}:`,
      ...arrives.headers,
    },
    ...(arriving === undefined ? {} : { body: Buffer.from(arriving).toString("base64") }),
    signed,
    expected: vector.expected ?? "accepted",
  };
}
