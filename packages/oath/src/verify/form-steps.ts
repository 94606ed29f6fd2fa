import { failure, quoteForeign, readJwsHeader, splitCompactJws } from "@authmesh/core";
import { claimProblem, claimRules, claimsOf } from "../claim-rules.js";
import { readPayload, tokenType } from "../read-token.js";
import type { TokenContext, TokenStep } from "./context.js";
import { aboutClaim } from "./refusals.js";

/** Steps 1 to 6: whether the token is one, by its form. */

const structure: TokenStep = {
  number: 1,
  name: "structure",
  lasts: true,
  run(context, { maxTokenBytes }) {
    const parts = splitCompactJws(context.token, maxTokenBytes);
    if (typeof parts === "string") return failure("token_malformed", `The token cannot be read: ${parts}.`);
    context.parts = parts;
    return undefined;
  },
};

/** A thumbprint; whoever looks the key up is asked for nothing else. */
const kidPattern = /^[\w-]{43}$/;

const header: TokenStep = {
  number: 2,
  name: "header",
  lasts: true,
  run(context, { algorithms }) {
    const header = readJwsHeader(context.parts.header, tokenType, algorithms);
    if (header.problem !== undefined) {
      const code = header.about === "alg" ? "algorithm_not_allowed" : "token_malformed";
      return failure(code, `The token cannot be read: ${header.problem}.`);
    }
    if (!kidPattern.test(header.kid))
      return failure("token_malformed", "The token cannot be read: its kid is not a thumbprint.");
    context.header = header;
    return undefined;
  },
};

const payload: TokenStep = {
  number: 3,
  name: "payload",
  lasts: true,
  run(context) {
    context.payload = readPayload(context.parts);
    return context.payload === undefined
      ? failure(
          "token_malformed",
          "The token cannot be read: its payload is not a JSON object that reads in one way, with integers alone.",
        )
      : undefined;
  },
};

const payloadOf = ({ payload }: TokenContext) => payload ?? {};

const issuer: TokenStep = {
  number: 4,
  name: "issuer",
  lasts: true,
  run(context, { trustedIssuers }) {
    const { iss } = payloadOf(context);
    if (iss === undefined) return aboutClaim("claim_missing", "iss", "The token has no iss.");
    if (typeof iss === "string" && trustedIssuers.has(iss)) return undefined;
    const named = typeof iss === "string" ? quoteForeign(iss) : "not text";
    return failure("issuer_untrusted", `The token's issuer is ${named}, which is not trusted here.`);
  },
};

/** Whether a subject is one is a step of its own. */
const { sub, ...others } = claimRules;
const requiredClaims = Object.entries({ ...others, sub: { ...sub, fits: () => true } });

const claims: TokenStep = {
  number: 5,
  name: "claims",
  lasts: true,
  run(context) {
    const problem = claimProblem(payloadOf(context), requiredClaims);
    return problem && aboutClaim(problem.code, problem.claim, problem.detail);
  },
};

const subject: TokenStep = {
  number: 6,
  name: "subject",
  lasts: true,
  run(context) {
    const problem = claimProblem(payloadOf(context), [["sub", sub]]);
    if (problem !== undefined) return aboutClaim(problem.code, problem.claim, problem.detail);
    context.claims = claimsOf(payloadOf(context));
    return undefined;
  },
};

export const formSteps: readonly TokenStep[] = [structure, header, payload, issuer, claims, subject];
