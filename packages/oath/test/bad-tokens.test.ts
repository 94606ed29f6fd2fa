import { createHmac } from "node:crypto";
import { fromBase64Url, InMemoryNonceStore, toBase64Url, utf8 } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { tokenSteps } from "../src/index.js";
import {
  forge,
  goodHeader,
  goodPayload,
  kid,
  part,
  withClaims,
  withHeader,
  withRawClaim,
} from "./forged-token.js";
import { audience, noon, outcome, signer, verifierWith } from "./token-fixture.js";

const good = forge();
const [head = "", body = "", sig = ""] = good.split(".");
const publicKey = fromBase64Url((signer.publicJwk as { x: string }).x) ?? new Uint8Array();
const hmac = (key: Uint8Array) => (_: Uint8Array, input: Uint8Array) =>
  Uint8Array.from(createHmac("sha256", key).update(input).digest());
const unsigned = (alg: unknown) =>
  forge({ header: { ...goodHeader, alg: alg as string }, signature: () => new Uint8Array() });
const deep = (levels: number) => `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
/** A signature in DER, as hardware returns it. */
const der = (raw: Uint8Array) =>
  Uint8Array.from([0x30, 68, 0x02, 32, ...raw.subarray(0, 32), 0x02, 32, ...raw.subarray(32)]);

/** What is sent, and which step says what of it. */
const table: readonly (readonly [string, string, string])[] = [
  // Structure
  ["nothing", "", "1 token_malformed"],
  ["one segment", head, "1 token_malformed"],
  ["two segments", `${head}.${body}`, "1 token_malformed"],
  ["four segments", `${good}.`, "1 token_malformed"],
  ["five segments, a JWE", "a.b.c.d.e", "1 token_malformed"],
  ["a JWS in JSON", JSON.stringify({ payload: body, signatures: [] }), "1 token_malformed"],
  ["padding", `${head}.${body}=.${sig}`, "1 token_malformed"],
  ["standard base64", `${head}.${body}.${sig.slice(0, -2)}+/`, "1 token_malformed"],
  [
    "a bit that encodes nothing",
    `${good.slice(0, -1)}${good.endsWith("B") ? "C" : "B"}`,
    "1 token_malformed",
  ],
  ["white space at the end", `${good}\n`, "1 token_malformed"],
  ["a megabyte", `${head}.${"A".repeat(1 << 20)}.${sig}`, "1 token_malformed"],
  ["a hundred thousand dots", ".".repeat(100_000), "1 token_malformed"],
  // Header
  ["no header", `.${body}.${sig}`, "2 token_malformed"],
  ["a header that is not JSON", forge({ header: "{" }), "2 token_malformed"],
  [
    "a header that is not UTF-8",
    `${part(Uint8Array.of(0x7b, 0xff, 0x7d))}.${body}.${sig}`,
    "2 token_malformed",
  ],
  ["a header that is a list", forge({ header: "[]" }), "2 token_malformed"],
  ["alg none", unsigned("none"), "2 algorithm_not_allowed"],
  ["alg None", unsigned("None"), "2 algorithm_not_allowed"],
  ["alg NONE", unsigned("NONE"), "2 algorithm_not_allowed"],
  ["alg nOnE", unsigned("nOnE"), "2 algorithm_not_allowed"],
  ["alg none with a space", unsigned(" none"), "2 algorithm_not_allowed"],
  ["alg that is empty", unsigned(""), "2 algorithm_not_allowed"],
  ["alg null", unsigned(null), "2 algorithm_not_allowed"],
  ["alg a list", unsigned(["EdDSA"]), "2 algorithm_not_allowed"],
  ["alg that every object has", unsigned("constructor"), "2 algorithm_not_allowed"],
  ["alg in lower case", withHeader({ alg: "eddsa" }), "2 algorithm_not_allowed"],
  ["alg Ed25519", withHeader({ alg: "Ed25519" }), "2 algorithm_not_allowed"],
  ["no alg", withHeader({ alg: undefined }), "2 token_malformed"],
  [
    "HS256 by the raw public key",
    forge({ header: { ...goodHeader, alg: "HS256" }, signature: hmac(publicKey) }),
    "2 algorithm_not_allowed",
  ],
  [
    "HS256 by the public key as it is published",
    forge({
      header: { ...goodHeader, alg: "HS256" },
      signature: hmac(utf8(JSON.stringify(signer.publicJwk))),
    }),
    "2 algorithm_not_allowed",
  ],
  ["RS256", withHeader({ alg: "RS256" }), "2 algorithm_not_allowed"],
  [
    "alg twice",
    forge({ header: `{"alg":"none","alg":"EdDSA","kid":"${kid}","typ":"om+jwt"}` }),
    "2 token_malformed",
  ],
  [
    "alg twice, once escaped",
    forge({ header: `{"alg":"EdDSA","\\u0061lg":"none","kid":"${kid}","typ":"om+jwt"}` }),
    "2 token_malformed",
  ],
  ["typ JWT", withHeader({ typ: "JWT" }), "2 token_malformed"],
  ["typ at+jwt", withHeader({ typ: "at+jwt" }), "2 token_malformed"],
  ["typ of a delegation", withHeader({ typ: "amesh-delegation+jwt" }), "2 token_malformed"],
  ["typ with its media type's prefix", withHeader({ typ: "application/om+jwt" }), "2 token_malformed"],
  ["typ in upper case", withHeader({ typ: "OM+JWT" }), "2 token_malformed"],
  ["no typ", withHeader({ typ: undefined }), "2 token_malformed"],
  ["jwk", withHeader({ jwk: signer.publicJwk }), "2 token_malformed"],
  ["jku", withHeader({ jku: "https://evil.example.com/jwks.json" }), "2 token_malformed"],
  ["x5u", withHeader({ x5u: "https://evil.example.com/cert.pem" }), "2 token_malformed"],
  ["x5c", withHeader({ x5c: ["MIIB"] }), "2 token_malformed"],
  ["crit", withHeader({ crit: ["exp"], exp: noon }), "2 token_malformed"],
  ["b64", withHeader({ b64: false, crit: ["b64"] }), "2 token_malformed"],
  ["cty", withHeader({ cty: "JWT" }), "2 token_malformed"],
  ["zip", withHeader({ zip: "DEF" }), "2 token_malformed"],
  ["no kid", withHeader({ kid: undefined }), "2 token_malformed"],
  ["kid a number", withHeader({ kid: 1 }), "2 token_malformed"],
  ["kid a path", withHeader({ kid: "../../../../dev/null" }), "2 token_malformed"],
  ["kid a query", withHeader({ kid: "x' OR '1'='1" }), "2 token_malformed"],
  ["kid a URL", withHeader({ kid: "https://evil.example.com/" }), "2 token_malformed"],
  [
    "kid __proto__",
    forge({ header: `{"alg":"EdDSA","kid":"__proto__","typ":"om+jwt"}` }),
    "2 token_malformed",
  ],
  ["kid with a line break", withHeader({ kid: `${kid.slice(0, -1)}\n` }), "2 token_malformed"],
  ["a header a thousand deep", forge({ header: deep(1000) }), "2 token_malformed"],
  // Payload
  ["no payload", `${head}..${sig}`, "3 token_malformed"],
  ["a payload that is text", forge({ payload: '"x"' }), "3 token_malformed"],
  ["a payload of null", forge({ payload: "null" }), "3 token_malformed"],
  [
    "a payload with a byte order mark",
    forge({ payload: `\ufeff${JSON.stringify(goodPayload)}` }),
    "3 token_malformed",
  ],
  [
    "aud twice",
    forge({ payload: JSON.stringify(goodPayload).replace("{", `{"aud":"x",`) }),
    "3 token_malformed",
  ],
  [
    "exp twice, once escaped",
    forge({ payload: JSON.stringify(goodPayload).replace("{", `{"\\u0065xp":1,`) }),
    "3 token_malformed",
  ],
  ["exp a fraction", withRawClaim("exp", `${noon + 120}.5`), "3 token_malformed"],
  ["exp with a fraction of nothing", withRawClaim("exp", `${noon + 120}.0`), "3 token_malformed"],
  ["exp in scientific notation", withRawClaim("exp", "1.74316092e9"), "3 token_malformed"],
  ["exp 1e400", withRawClaim("exp", "1e400"), "3 token_malformed"],
  ["exp beyond what a double can tell apart", withRawClaim("exp", "9007199254740993"), "3 token_malformed"],
  ["exp minus zero", withRawClaim("exp", "-0"), "3 token_malformed"],
  ["a lone surrogate", withRawClaim("jti", '"\\ud800"'), "3 token_malformed"],
  ["a payload a thousand deep", withRawClaim("x", deep(1000)), "3 token_malformed"],
  // Issuer
  ["no iss", withClaims({ iss: undefined }), "4 claim_missing:iss"],
  ["iss of somebody else", withClaims({ iss: "https://evil.example.com" }), "4 issuer_untrusted"],
  ["iss with a slash at its end", withClaims({ iss: "https://issuer.example.com/" }), "4 issuer_untrusted"],
  ["iss in upper case", withClaims({ iss: "https://ISSUER.example.com" }), "4 issuer_untrusted"],
  [
    "iss with a letter that looks alike",
    withClaims({ iss: "https://іssuer.example.com" }),
    "4 issuer_untrusted",
  ],
  ["iss a list", withClaims({ iss: ["https://issuer.example.com"] }), "4 issuer_untrusted"],
  ["iss __proto__", withClaims({ iss: "__proto__" }), "4 issuer_untrusted"],
  // Claims
  ...["sub", "aud", "act", "iat", "exp", "jti"].map(
    (name) => [`no ${name}`, withClaims({ [name]: undefined }), `5 claim_missing:${name}`] as const,
  ),
  ["aud a list", withClaims({ aud: [audience] }), "5 claim_invalid:aud"],
  ["aud empty", withClaims({ aud: "" }), "5 claim_invalid:aud"],
  ["aud null", withClaims({ aud: null }), "5 claim_invalid:aud"],
  ["act with white space", withClaims({ act: "orders.write orders.read" }), "5 claim_invalid:act"],
  ["exp as text", withClaims({ exp: String(noon + 120) }), "5 claim_invalid:exp"],
  ["exp negative", withClaims({ exp: -1 }), "5 claim_invalid:exp"],
  ["exp true", withClaims({ exp: true }), "5 claim_invalid:exp"],
  ["iat as text", withClaims({ iat: String(noon) }), "5 claim_invalid:iat"],
  ["nbf as text", withClaims({ nbf: String(noon) }), "5 claim_invalid:nbf"],
  ["jti a number", withClaims({ jti: 7 }), "5 claim_invalid:jti"],
  ["jti with a colon", withClaims({ jti: "another:owner" }), "5 claim_invalid:jti"],
  ["jti of 129 characters", withClaims({ jti: "x".repeat(129) }), "5 claim_invalid:jti"],
  ["scope as one text", withClaims({ scope: "orders:rw" }), "5 claim_invalid:scope"],
  [
    "65 scopes",
    withClaims({ scope: Array.from({ length: 65 }, (_, i) => `s${i}:r`) }),
    "5 claim_invalid:scope",
  ],
  ["a scope that is a number", withClaims({ scope: [1] }), "5 claim_invalid:scope"],
  ["src as text", withClaims({ src: "github-actions" }), "5 claim_invalid:src"],
  ["src without type", withClaims({ src: { repo: "a/b" } }), "5 claim_invalid:src"],
  [
    "src with a repo that is a list",
    withClaims({ src: { type: "x", repo: ["a/b"] } }),
    "5 claim_invalid:src",
  ],
  ["rqh of another hash", withClaims({ rqh: `sha1:${"a".repeat(40)}` }), "5 claim_invalid:rqh"],
  ["rqh in upper case", withClaims({ rqh: `sha256:${"A".repeat(64)}` }), "5 claim_invalid:rqh"],
  ["rqh null, which binds nothing", withClaims({ rqh: null }), "5 claim_invalid:rqh"],
  ["cnf with a key that nobody would check", withClaims({ cnf: { jwk: {} } }), "5 claim_invalid:cnf"],
  [
    "cnf with a second way to confirm",
    withClaims({ cnf: { jkt: kid, "x5t#S256": kid } }),
    "5 claim_invalid:cnf",
  ],
  ["cnf empty", withClaims({ cnf: {} }), "5 claim_invalid:cnf"],
  ["cnf null, which confirms nothing", withClaims({ cnf: null }), "5 claim_invalid:cnf"],
  ["tenant with a letter that looks alike", withClaims({ tenant: "@аcme" }), "5 claim_invalid:tenant"],
  ["reason with a line break", withClaims({ reason: "a\nb" }), "5 claim_invalid:reason"],
  // Subject
  ["sub without a kind", withClaims({ sub: "billing" }), "6 claim_invalid:sub"],
  ["sub of an unknown kind", withClaims({ sub: "root://billing" }), "6 claim_invalid:sub"],
  ["sub with white space", withClaims({ sub: "svc://billing worker" }), "6 claim_invalid:sub"],
  ["sub with a line break at its end", withClaims({ sub: "svc://billing\n" }), "6 claim_invalid:sub"],
  ["sub of 257 characters", withClaims({ sub: `svc://${"x".repeat(257)}` }), "6 claim_invalid:sub"],
  ["sub a list", withClaims({ sub: ["svc://billing"] }), "6 claim_invalid:sub"],
  // Key
  ["a kid nobody published", withHeader({ kid: "x".repeat(43) }), "7 key_unknown"],
  ["ES256 for a key of EdDSA", withHeader({ alg: "ES256" }), "7 key_unknown"],
  // Signature
  ["no signature", `${head}.${body}.`, "8 signature_invalid"],
  ["a signature of zeros", forge({ signature: () => new Uint8Array(64) }), "8 signature_invalid"],
  ["a signature in DER", forge({ signature: der }), "8 signature_invalid"],
  ["a signature cut short", forge({ signature: (right) => right.subarray(0, 63) }), "8 signature_invalid"],
  [
    "a signature with a byte too many",
    forge({ signature: (right) => Uint8Array.from([...right, 0]) }),
    "8 signature_invalid",
  ],
  [
    "another payload under the same signature",
    `${head}.${withClaims({ act: "orders.delete" }).split(".")[1]}.${sig}`,
    "8 signature_invalid",
  ],
  // Times
  ["a life of 301 s", withClaims({ exp: noon + 301 }), "9 lifetime_exceeded"],
  ["a life of nothing", withClaims({ exp: noon }), "9 lifetime_exceeded"],
  ["an end before its beginning", withClaims({ exp: noon - 1 }), "9 lifetime_exceeded"],
  ["a life of an age", withClaims({ exp: Number.MAX_SAFE_INTEGER }), "9 lifetime_exceeded"],
  ["an end 30 s ago", withClaims({ iat: noon - 150, exp: noon - 30 }), "9 token_expired"],
  ["an end 29 s ago, within the leeway", withClaims({ iat: noon - 149, exp: noon - 29 }), "allowed"],
  ["a beginning in 31 s", withClaims({ iat: noon + 31, exp: noon + 60 }), "10 token_not_yet_valid"],
  ["a beginning in 30 s, within the leeway", withClaims({ iat: noon + 30, exp: noon + 60 }), "allowed"],
  ["an nbf in 31 s", withClaims({ nbf: noon + 31 }), "10 token_not_yet_valid"],
  ["an nbf in 30 s, within the leeway", withClaims({ nbf: noon + 30 }), "allowed"],
  // Audience
  ["another audience", withClaims({ aud: "https://other.example.com" }), "11 audience_mismatch"],
  ["an audience with a slash at its end", withClaims({ aud: `${audience}/` }), "11 audience_mismatch"],
  ["an audience in upper case", withClaims({ aud: audience.toUpperCase() }), "11 audience_mismatch"],
  ["an audience that begins alike", withClaims({ aud: `${audience}.evil.com` }), "11 audience_mismatch"],
  // Binding
  [
    "a hash of a request, and none to compare",
    withClaims({ rqh: `sha256:${"a".repeat(64)}` }),
    "12 binding_mismatch",
  ],
  ["a key, and no request that it could sign", withClaims({ cnf: { jkt: kid } }), "12 binding_mismatch"],
  // What is not known is passed over.
  ["a claim that nobody knows", withClaims({ roles: ["admin"], __proto__x: 1 }), "allowed"],
  ["a member __proto__", withRawClaim("__proto__", '{"act":"orders.delete"}'), "allowed"],
];

describe("a token with", () => {
  it.each(table)("%s", async (_, token, expected) => {
    const started = performance.now();
    const decision = await verifierWith().verify(token);
    const took = performance.now() - started;
    expect(outcome(decision)).toBe(expected);
    expect(took).toBeLessThan(2000);
    if (decision.allowed) return;
    const { failure, steps } = decision;
    expect(failure.status).toBe(401);
    expect(failure.public).toBe(failure.error);
    // The step that refused is the last one told of, and has the number that the failure names.
    const last = tokenSteps[steps.length - 1];
    expect([steps.at(-1), last?.number]).toEqual([{ step: last?.name, outcome: "refused" }, failure.step]);
  });

  it("whatever is wrong leaves no trace in the replay store before the step that asks it", async () => {
    const replay = new InMemoryNonceStore();
    const verifier = verifierWith({ replay });
    for (const [, token, expected] of table) {
      if (expected !== "allowed") await verifier.verify(token);
    }
    expect(replay.size).toBe(0);
  });

  it("the algorithm of the other key is not verified with it, whichever signature comes", async () => {
    const verifier = verifierWith({ algorithms: ["ES256"] });
    expect(outcome(await verifier.verify(good))).toBe("2 algorithm_not_allowed");
    expect(toBase64Url(publicKey)).toBe((signer.publicJwk as { x: string }).x);
  });
});
