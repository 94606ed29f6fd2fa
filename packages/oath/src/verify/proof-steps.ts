import { failure, isoTime, quoteForeign } from "@authmesh/core";
import { longestLife } from "../claims.js";
import type { TokenContext, TokenSettings, TokenStep } from "./context.js";

/** Steps 7 to 11: whose the token is, when and for whom. */

const key: TokenStep = {
  number: 7,
  name: "key",
  run(context, settings) {
    const found = settings.keys.find(context.claims.iss, context.header.kid);
    return found instanceof Promise
      ? found.then((key) => useKey(context, settings, key))
      : useKey(context, settings, found);
  },
};

function useKey(context: TokenContext, { verified }: TokenSettings, found: TokenContext["key"] | undefined) {
  const { alg, kid } = context.header;
  if (found === undefined) {
    if (context.signed) verified.forget(context.token);
    return failure("key_unknown", `${quoteForeign(context.claims.iss)} publishes no key ${kid}.`);
  }
  if (found.alg !== alg || found.kid !== kid)
    return failure("key_unknown", `The key ${kid} is not one of ${alg}.`);
  context.key = found;
  return undefined;
}

const signature: TokenStep = {
  number: 8,
  name: "signature",
  lasts: true,
  run(context, { verified, tokenUse }) {
    const { parts, key, claims, header } = context;
    if (!key.verify(parts.signingInput, parts.signature))
      return failure(
        "signature_invalid",
        "The token's signature is not its issuer's.",
        "Send the token letter by letter as the issuer gave it.",
      );
    context.signed = true;
    if (claims.cnf !== undefined || tokenUse === "until-expiry") {
      context.known = { claims, header };
      verified.keep(context.token, context.known);
    }
    return undefined;
  },
};

export const lifetime: TokenStep = {
  number: 9,
  name: "lifetime",
  run({ claims: { iat, exp } }, { now, leewaySeconds }) {
    const life = exp - iat;
    if (life <= 0 || life > longestLife)
      return failure("lifetime_exceeded", `The token lives ${life} s; 1 to ${longestLife} are allowed.`);
    if (exp + leewaySeconds > Math.floor(now() / 1000)) return undefined;
    return failure("token_expired", `The token ended at ${isoTime(exp)}.`);
  },
};

const start: TokenStep = {
  number: 10,
  name: "start",
  run({ claims: { iat, nbf = iat } }, { now, leewaySeconds }) {
    const begins = Math.max(iat, nbf);
    if (begins <= Math.floor(now() / 1000) + leewaySeconds) return undefined;
    return failure("token_not_yet_valid", `The token begins at ${isoTime(begins)}.`);
  },
};

const audience: TokenStep = {
  number: 11,
  name: "audience",
  run({ claims: { aud } }, { audiences }) {
    return audiences.has(aud)
      ? undefined
      : failure("audience_mismatch", `The token is for ${quoteForeign(aud)}.`);
  },
};

export const proofSteps: readonly TokenStep[] = [key, signature, lifetime, start, audience];
