import type { TokenSource } from "../claims.js";
import type { PolicyInput, PolicySource } from "../policy/policy-engine.js";
import type { OathMeshContext } from "../token-decision.js";
import type { TokenContext, TokenSettings } from "./context.js";

/** What a policy decides on, of a token that passed every other step. */
export function policyInput({ claims, request }: TokenContext, { now }: TokenSettings): PolicyInput {
  const { sub, act, scope = [], iss, aud, src, env, tenant } = claims;
  return {
    subject: sub,
    action: act,
    scopes: scope,
    issuer: iss,
    audience: aud,
    ...(src === undefined ? {} : { source: policySource(src) }),
    ...(env === undefined ? {} : { env }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(request === undefined
      ? {}
      : { method: request.method.toUpperCase(), path: request.target.split("?", 1)[0] as string }),
    time: Math.floor(now() / 1000),
  };
}

function policySource({ type, repo, ref, workflow, environment }: TokenSource): PolicySource {
  return {
    type,
    ...(repo === undefined ? {} : { repository: repo }),
    ...(ref === undefined ? {} : { ref }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(environment === undefined ? {} : { environment }),
  };
}

const none: readonly string[] = Object.freeze([]);

/** Who called, for the handlers behind the verifier. */
export function callerOf({ claims, decision, proof }: TokenContext, { now }: TokenSettings): OathMeshContext {
  const { iss, sub, aud, act, iat, exp, jti, scope = none, src, env, tenant, reason, rqh } = claims;
  return Object.freeze({
    principal: Object.freeze({ subject: sub, issuer: iss, ...(tenant === undefined ? {} : { tenant }) }),
    action: act,
    scopes: scope,
    audience: aud,
    tokenId: jti,
    ...(src === undefined ? {} : { source: src }),
    ...(env === undefined ? {} : { environment: env }),
    ...(reason === undefined ? {} : { reason }),
    issuedAt: iat,
    expiresAt: exp,
    verifiedAt: Math.floor(now() / 1000),
    bound: Object.freeze({ request: rqh !== undefined, key: proof !== undefined }),
    ...(decision?.rule === undefined ? {} : { rule: decision.rule }),
  });
}
