import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { makeSignature, privateKeys, sha256 } from "./make-vectors.js";
import { noon } from "./request-cases.js";

/**
 * vectors/oath-1.json, made as request-1.json is: nothing in it comes from our packages.
 * `npx vitest run --project whole test/conformance/oath.test.ts -u` writes it.
 */
export interface OathVectors {
  readonly about: string;
  readonly issuer: string;
  readonly audience: string;
  /** The verifier's one host. */
  readonly host: string;
  /** As the issuer publishes them. */
  readonly jwks: { readonly keys: readonly Readonly<Record<string, string>>[] };
  readonly tokens: readonly OathVector[];
}

/** A token, and the request that it comes with if there is one, at a verifier that has seen nothing before. */
export interface OathVector {
  readonly name: string;
  /** Unix seconds on the verifier's clock. */
  readonly now: number;
  readonly token: string;
  readonly request?: VectorRequest;
  /** "accepted", or step and error of the refusal. */
  readonly expected: string;
}

interface VectorRequest {
  readonly method: string;
  readonly target: string;
  /** By lower-case name; Authorization bears the token. */
  readonly headers: Readonly<Record<string, string>>;
  /** Base64; absent when there is none. */
  readonly body?: string;
}

const text64 = (content: object | string) =>
  Buffer.from(typeof content === "string" ? content : JSON.stringify(content)).toString("base64url");
const thumbprint = (members: object) => sha256(JSON.stringify(members)).toString("base64url");

const seed = sha256("amesh vector issuer");
const edKey = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
  format: "der",
  type: "pkcs8",
});
const { x: edX = "" } = createPublicKey(edKey).export({ format: "jwk" });
const p256Jwk = (key: Buffer) => {
  const point = Buffer.from(p256.getPublicKey(key, false));
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
  return { crv: "P-256", kty: "EC", x: x as string, y: y as string };
};
const [holderKey, esKey, strangerKey] = privateKeys as [Buffer, Buffer, Buffer];
const edMembers = { crv: "Ed25519", kty: "OKP", x: edX };
const esMembers = p256Jwk(esKey);
const edKid = thumbprint(edMembers);
const esKid = thumbprint(esMembers);

const issuer = "https://issuer.example.com";
const audience = "https://api.example.com";
const host = "api.example.com";
const claims = {
  iss: issuer,
  sub: "svc://billing/worker",
  aud: audience,
  act: "orders.write",
  iat: noon,
  exp: noon + 120,
  jti: "7LsQKikeFBdpacC_wUg_Yg",
};
const order = '{"amount":100}';
const target = "/api/orders?b=2&a=1";
const rqh = `sha256:${sha256(["OMv1", "POST", host, target, "application/json", sha256(order).toString("hex")].join("\n")).toString("hex")}`;

interface Case {
  readonly name: string;
  readonly alg?: "ES256";
  readonly header?: object;
  readonly claims?: object;
  /** In place of the claims' JSON. */
  readonly payload?: string;
  readonly change?: (token: string) => string;
  readonly now?: number;
  readonly request?: (token: string) => VectorRequest;
  readonly expected?: string;
}

const edSign = (input: string) => sign(null, Buffer.from(input), edKey).toString("base64url");
const posted = (changes: Partial<VectorRequest> = {}): VectorRequest => ({
  method: "POST",
  target,
  headers: { host, "content-type": "application/json" },
  body: Buffer.from(order).toString("base64"),
  ...changes,
});

/** A GET that the holder of a key signed, as docs/protocol.md, section 8.3, wants it beside a token with `cnf`. */
function signedGet(token: string, key: Buffer, covers = ['"authorization"']): VectorRequest {
  const keyid = Buffer.from(p256.getPublicKey(key, true)).toString("base64url");
  const nonce = sha256(`cnf ${keyid} ${covers}`).subarray(0, 16).toString("base64url");
  const names = ['"@method"', '"@authority"', '"@path"', '"@query"', ...covers].join(" ");
  const said = `(${names});created=${noon};expires=${noon + 60};nonce="${nonce}";keyid="${keyid}";alg="ecdsa-p256-sha256";tag="amesh"`;
  const lines = [`"@method": GET`, `"@authority": ${host}`, `"@path": /api/orders`, `"@query": ?b=2&a=1`];
  if (covers.length > 0) lines.push(`"authorization": OathMesh ${token}`);
  const base = [...lines, `"@signature-params": ${said}`].join("\n");
  const signature = Buffer.from(makeSignature(base, key), "base64url").toString("base64");
  return {
    method: "GET",
    target,
    headers: { host, "signature-input": `sig=${said}`, signature: `sig=:${signature}:` },
  };
}

const cnf = { jkt: thumbprint(p256Jwk(holderKey)) };
const malformed = (step: number) => ({ expected: `${step} token_malformed` });
const head = (changes: object) => ({ header: { alg: "EdDSA", kid: edKid, typ: "om+jwt", ...changes } });
const raw = (name: string, value: string) => JSON.stringify(claims).replace(/}$/, `,"${name}":${value}}`);

const cases: readonly Case[] = [
  { name: "EdDSA" },
  { name: "ES256", alg: "ES256" },
  {
    name: "every claim",
    claims: {
      nbf: noon,
      scope: ["orders:rw"],
      reason: "Überweisung",
      src: {
        type: "github-actions",
        repo: "a/b",
        workflow: "Release it",
        ref: "refs/heads/main",
        run_id: "7",
        sha: "c0ffee",
      },
      env: "prod",
      tenant: "@acme",
    },
  },
  { name: "a claim that is not known", claims: { roles: ["admin"] } },
  { name: "29 s past its end", now: noon + 149 },
  { name: "30 s ahead", now: noon - 30 },
  { name: "two parts", change: (token) => token.slice(0, token.lastIndexOf(".")), ...malformed(1) },
  { name: "four parts", change: (token) => `${token}.`, ...malformed(1) },
  { name: "padding", change: (token) => `${token}=`, ...malformed(1) },
  {
    name: "alg none",
    ...head({ alg: "none" }),
    change: (token) => token.slice(0, token.lastIndexOf(".") + 1),
    expected: "2 algorithm_not_allowed",
  },
  { name: "alg HS256", ...head({ alg: "HS256" }), expected: "2 algorithm_not_allowed" },
  { name: "typ JWT", ...head({ typ: "JWT" }), ...malformed(2) },
  { name: "no typ", ...head({ typ: undefined }), ...malformed(2) },
  { name: "crit", ...head({ crit: ["exp"] }), ...malformed(2) },
  { name: "jwk in the header", ...head({ jwk: edMembers }), ...malformed(2) },
  { name: "kid a path", ...head({ kid: "../../dev/null" }), ...malformed(2) },
  { name: "aud twice", payload: raw("aud", JSON.stringify(audience)), ...malformed(3) },
  { name: "exp a fraction", claims: { exp: noon + 120.5 }, ...malformed(3) },
  { name: "nbf in scientific notation", payload: raw("nbf", "1e3"), ...malformed(3) },
  { name: "nbf 1e400", payload: raw("nbf", "1e400"), ...malformed(3) },
  { name: "another issuer", claims: { iss: "https://evil.example.com" }, expected: "4 issuer_untrusted" },
  { name: "no iss", claims: { iss: undefined }, expected: "4 claim_missing:iss" },
  ...["sub", "aud", "act", "iat", "exp", "jti"].map((name) => ({
    name: `no ${name}`,
    claims: { [name]: undefined },
    expected: `5 claim_missing:${name}`,
  })),
  { name: "aud a list", claims: { aud: [audience] }, expected: "5 claim_invalid:aud" },
  { name: "exp as text", claims: { exp: String(noon + 120) }, expected: "5 claim_invalid:exp" },
  { name: "scope as one text", claims: { scope: "orders:rw" }, expected: "5 claim_invalid:scope" },
  {
    name: "cnf with an unknown way to confirm",
    claims: { cnf: { jwk: {} } },
    expected: "5 claim_invalid:cnf",
  },
  { name: "sub of no kind", claims: { sub: "billing" }, expected: "6 claim_invalid:sub" },
  { name: "a kid that is not published", ...head({ kid: thumbprint({}) }), expected: "7 key_unknown" },
  { name: "alg of the other key", ...head({ alg: "ES256" }), expected: "7 key_unknown" },
  {
    name: "a signature of zeros",
    change: (token) => `${token.slice(0, token.lastIndexOf("."))}.${"A".repeat(86)}`,
    expected: "8 signature_invalid",
  },
  { name: "a life of 301 s", claims: { exp: noon + 301 }, expected: "9 lifetime_exceeded" },
  { name: "30 s past its end", now: noon + 150, expected: "9 token_expired" },
  { name: "31 s ahead", now: noon - 31, expected: "10 token_not_yet_valid" },
  { name: "nbf in 31 s", claims: { nbf: noon + 31 }, expected: "10 token_not_yet_valid" },
  { name: "another audience", claims: { aud: `${audience}/` }, expected: "11 audience_mismatch" },
  { name: "bound to the request", claims: { rqh }, request: () => posted() },
  { name: "bound to a request, and none to compare", claims: { rqh }, expected: "12 binding_mismatch" },
  {
    name: "bound to a request with another body",
    claims: { rqh },
    request: () => posted({ body: "e30=" }),
    expected: "12 binding_mismatch",
  },
  {
    name: "bound to a request with another method",
    claims: { rqh },
    request: () => posted({ method: "PUT" }),
    expected: "12 binding_mismatch",
  },
  {
    name: "bound to a request with another query",
    claims: { rqh },
    request: () => posted({ target: "/api/orders?a=1&b=2" }),
    expected: "12 binding_mismatch",
  },
  { name: "bound to a key that signed", claims: { cnf }, request: (token) => signedGet(token, holderKey) },
  {
    name: "bound to a key, and no signature",
    claims: { cnf },
    request: () => ({ method: "GET", target, headers: { host } }),
    expected: "12 binding_mismatch",
  },
  {
    name: "bound to a key, another signed",
    claims: { cnf },
    request: (token) => signedGet(token, strangerKey),
    expected: "12 binding_mismatch",
  },
  {
    name: "bound to a key that did not sign the token",
    claims: { cnf },
    request: (token) => signedGet(token, holderKey, []),
    expected: "12 binding_mismatch",
  },
  {
    name: "bound to no key, and signed",
    request: (token) => signedGet(token, holderKey),
    expected: "12 ambiguous_proof",
  },
];

export function makeOathVectors(): OathVectors {
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, section 8. A verifier of one audience and one host, leeway 30 s, no policy asked, nothing revoked. Bodies are base64.",
    issuer,
    audience,
    host,
    jwks: {
      keys: [
        { ...edMembers, alg: "EdDSA", use: "sig", kid: edKid },
        { ...esMembers, alg: "ES256", use: "sig", kid: esKid },
      ],
    },
    tokens: cases.map(makeToken),
  };
}

function makeToken(vector: Case): OathVector {
  const { name, alg, change = (token: string) => token, now = noon, expected = "accepted" } = vector;
  const header = vector.header ?? {
    alg: alg ?? "EdDSA",
    kid: alg === "ES256" ? esKid : edKid,
    typ: "om+jwt",
  };
  const payload = vector.payload ?? JSON.stringify({ ...claims, ...vector.claims });
  const input = `${text64(header)}.${text64(payload)}`;
  const token = change(`${input}.${alg === "ES256" ? makeSignature(input, esKey) : edSign(input)}`);
  const request = vector.request?.(token);
  return { name, now, token, ...(request === undefined ? {} : { request }), expected };
}
