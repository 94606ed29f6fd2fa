import {
  AmeshError,
  bearsHttpSignature,
  type Failure,
  failure,
  type IncomingRequest,
  jwkOf,
  keptLonger,
  sha256,
  spendNonce,
  toBase64Url,
} from "@authmesh/core";
import { thumbprint } from "../issuer-key.js";
import type { PolicyDecision, PolicyInput } from "../policy/policy-engine.js";
import { requestHash } from "../request-hash.js";
import { policyInput } from "./caller.js";
import type { TokenContext, TokenSettings, TokenStep } from "./context.js";
import { presentedToken } from "./presented-token.js";
import { lifetime } from "./proof-steps.js";

/** Steps 12 to 14: whether the token may be used for this request, here and now. */

const binding: TokenStep = {
  number: 12,
  name: "binding",
  run(context, settings) {
    const { request, claims } = context;
    if (claims.rqh === undefined && settings.requireRequestBinding) return failure("binding_required");
    if (request !== undefined) return requestFits(context, request, settings);
    return claims.rqh === undefined && claims.cnf === undefined
      ? undefined
      : failure("binding_mismatch", "The token is bound to a request, and there is none to compare.");
  },
};

async function requestFits(
  context: TokenContext,
  request: IncomingRequest,
  settings: TokenSettings,
): Promise<Failure | undefined> {
  if (context.claims.cnf === undefined && bearsHttpSignature(request))
    return failure("ambiguous_proof", "The request is signed, and its token names no key to sign with.");
  await settings.requests.checkTarget(request);
  return (await requestIsHashed(context, settings)) ?? (await holderSigned(context, settings));
}

async function requestIsHashed({ request, claims: { rqh } }: TokenContext, { requests }: TokenSettings) {
  if (rqh === undefined || request === undefined) return undefined;
  const { hosts, ...parts } = await requests.parts(request);
  if (hosts.some((host) => requestHash({ ...parts, host }) === rqh)) return undefined;
  return failure(
    "binding_mismatch",
    "The token is for another request: method, host, target, content type or body differ from those that were hashed.",
  );
}

async function holderSigned(
  context: TokenContext,
  { requests }: TokenSettings,
): Promise<Failure | undefined> {
  const {
    request,
    token,
    claims: { cnf },
    known,
  } = context;
  if (cnf === undefined || request === undefined) return undefined;
  // A signature over another token's header would say nothing about this one.
  if (presentedToken(request) !== token)
    return failure("binding_mismatch", "The token is not the one in the request's Authorization header.");
  try {
    context.proof = await requests.keyProof(request, known?.holder);
  } catch (error) {
    if (error instanceof AmeshError && signatureProblems.has(error.code))
      return failure("binding_mismatch", `The request is not signed as the token asks: ${error.message}`);
    throw error;
  }
  const { key } = context.proof;
  if (key !== known?.holder && thumbprint(jwkOf(key)) !== cnf.jkt)
    return failure("binding_mismatch", "The request is signed by another key than the one the token names.");
  if (known !== undefined) known.holder = key;
  return undefined;
}

/** What is wrong with the signature; the rest is wrong with the request. */
const signatureProblems: ReadonlySet<string> = new Set([
  "malformed_header",
  "ambiguous_proof",
  "coverage_incomplete",
  "clock_skew",
  "host_mismatch",
  "invalid_public_key",
  "signature_invalid",
]);

const revocation: TokenStep = {
  number: 13.5,
  name: "revocation",
  run({ claims, header: { kid } }, { revocations }) {
    if (revocations === undefined) return undefined;
    const { iss, sub, jti, tenant } = claims;
    const found = revocations.find({ iss, sub, jti, kid, tenant });
    return found instanceof Promise ? found.then(asRefusal) : asRefusal(found);
  },
};

const asRefusal = (found: { readonly by: string } | undefined): Failure | undefined =>
  found && failure("revoked", `The token's ${found.by} has been revoked.`);

const replay: TokenStep = {
  number: 13,
  name: "replay",
  run(context, settings) {
    const { claims, proof, request = {} } = context;
    if (proof === undefined && settings.tokenUse === "until-expiry") return undefined;
    const { replay: nonces, replayScope, leewaySeconds: clockSkewSeconds, now } = settings;
    const { owner, id, signedAt, until } =
      proof === undefined
        ? { owner: ["jti", claims.iss, claims.sub], id: claims.jti, signedAt: claims.iat, until: claims.exp }
        : {
            owner: ["cnf", toBase64Url(proof.key.bytes)],
            id: proof.nonce,
            signedAt: proof.created,
            until: proof.expires,
          };
    const spent = {
      name: `om:${ownerOf([...owner, claims.aud, replayScope])}:${id}`,
      signedAt,
      windowSeconds: until + clockSkewSeconds + keptLonger - Math.floor(now() / 1000),
    };
    return spendNonce(request, spent, { nonces, clockSkewSeconds, now }).then(inWordsOfTokens);
  },
};

/** One short name for whoever's share is counted: a subject of an issuer, or the key that a token names. 128 bits. */
const ownerOf = (parts: readonly string[]): string =>
  toBase64Url(sha256(JSON.stringify(parts)).subarray(0, 16));

/** The catalogue's words are about requests. */
const inWordsOfTokens = (refusal: Failure | undefined): Failure | undefined =>
  refusal?.code === "replay_detected"
    ? failure(
        "replay_detected",
        "The token, or the signature of the request, was used before.",
        "Get a token for every request, or one that is bound to a key (cnf) and sign every request anew.",
      )
    : refusal;

const policy: TokenStep = {
  number: 14,
  name: "policy",
  run(context, settings) {
    // Most verifiers that ask nobody have nobody on trial either.
    if (settings.policy === "none" && settings.shadowPolicy === undefined) return undefined;
    const input = policyInput(context, settings);
    const decision = decide(settings.policy, input);
    context.decision = decision;
    tellOfShadow(settings, input, decision);
    return decision.allowed ? undefined : failure("policy_denied", decision.reason);
  },
};

function decide(policy: TokenSettings["policy"], input: PolicyInput): PolicyDecision {
  if (policy === undefined) return { allowed: false, reason: "No policy was given, so nothing is allowed." };
  if (policy === "none") return { allowed: true, reason: "No policy is asked." };
  return policy.decide(input);
}

/** Whatever becomes of a policy on trial, the one that counts has decided. */
function tellOfShadow(
  { shadowPolicy, onShadow }: TokenSettings,
  input: PolicyInput,
  decision: PolicyDecision,
): void {
  try {
    if (shadowPolicy !== undefined) onShadow?.({ input, decision, shadow: shadowPolicy.decide(input) });
  } catch {
    // Nobody waits for its answer.
  }
}

/** The body can be slow: what depends on the clock is asked again behind it. */
export const useSteps: readonly TokenStep[] = [binding, lifetime, revocation, replay, policy];
