import { isJsonObject, type JsonObject, type JsonValue } from "@authmesh/core";
import type { TokenClaims, TokenSource } from "./claims.js";

/** What a claim must be (docs/protocol.md, section 8.2). */
export interface ClaimRule {
  readonly required?: true;
  /** A half-sentence: "exp" … "is Unix seconds". */
  readonly must: string;
  readonly fits: (value: JsonValue) => boolean;
}

const text = (pattern: RegExp, must: string): ClaimRule => ({
  must,
  fits: (value) => typeof value === "string" && pattern.test(value),
});
const required = (rule: ClaimRule): ClaimRule => ({ ...rule, required: true });

/** Without white space, and without the letters of other alphabets that look like ASCII. */
const word = (longest: number): ClaimRule =>
  text(new RegExp(`^[\\x21-\\x7e]{1,${longest}}$`), `is 1 to ${longest} visible ASCII characters`);

const seconds: ClaimRule = {
  must: "is Unix seconds",
  fits: (value) => Number.isSafeInteger(value) && (value as number) > 0,
};

const mostScopes = 64;
const scopeName = word(128);
/** Of `src`. */
export const sourceRules: Readonly<Record<keyof TokenSource, ClaimRule>> = {
  type: required(word(64)),
  repo: word(256),
  workflow: text(/^[^\p{Cc}\p{Cs}]{1,512}$/u, "is 1 to 512 characters on one line"),
  ref: word(512),
  run_id: word(64),
  sha: word(128),
  environment: text(/^[^\p{Cc}\p{Cs}]{1,256}$/u, "is 1 to 256 characters on one line"),
};
const membersOfSource = Object.entries(sourceRules);
const thumbprint = /^[\w-]{43}$/;

/** Every claim there is; a token may have others, which are passed over. In the order in which they are looked at. */
export const claimRules: Readonly<Record<keyof TokenClaims, ClaimRule>> = {
  iss: required(word(512)),
  sub: required(
    text(
      /^(?:agent|svc|job|tool|user):\/\/[A-Za-z0-9/_.-]{1,256}$/,
      "is agent, svc, job, tool or user, then :// and 1 to 256 of A-Z a-z 0-9 / _ . -",
    ),
  ),
  aud: required(word(512)),
  act: required(word(256)),
  iat: required(seconds),
  exp: required(seconds),
  // No colon: what stands before the last one is whose share of the nonce store is counted.
  jti: required(text(/^[\w+/=.~-]{1,128}$/, "is 1 to 128 letters, digits and +/=_.~-")),
  nbf: seconds,
  scope: {
    must: `is an array of at most ${mostScopes} names of 1 to 128 visible ASCII characters`,
    fits: (value) => Array.isArray(value) && value.length <= mostScopes && value.every(scopeName.fits),
  },
  reason: text(/^[^\p{Cc}\p{Cs}]{1,512}$/u, "is 1 to 512 characters on one line"),
  src: {
    must: `is an object with type, and perhaps ${Object.keys(sourceRules).slice(1).join(", ")}, each a short text`,
    fits: (value) => isJsonObject(value) && claimProblem(value, membersOfSource) === undefined,
  },
  env: word(128),
  tenant: word(128),
  rqh: text(/^sha256:[0-9a-f]{64}$/, "is sha256: and 64 lower-case hex digits"),
  cnf: {
    must: "is an object with jkt alone, a thumbprint of 43 characters",
    fits: (value) =>
      isJsonObject(value) &&
      Object.keys(value).length === 1 &&
      typeof value["jkt"] === "string" &&
      thumbprint.test(value["jkt"]),
  },
};

const tokenRules = Object.entries(claimRules);

export interface ClaimProblem {
  readonly code: "claim_missing" | "claim_invalid";
  readonly claim: string;
  readonly detail: string;
}

/**
 * The first claim that is missing or not as it must be.
 *
 * @param rules pairs of a claim and its rule: this is asked of every token
 */
export function claimProblem(
  object: JsonObject,
  rules: readonly (readonly [string, ClaimRule])[] = tokenRules,
): ClaimProblem | undefined {
  for (const [claim, rule] of rules) {
    const problem = problemOf(object, claim, rule);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Every claim that is missing or not as it must be. */
export const claimProblems = (object: JsonObject): readonly ClaimProblem[] =>
  tokenRules.flatMap(([claim, rule]) => problemOf(object, claim, rule) ?? []);

function problemOf(object: JsonObject, claim: string, rule: ClaimRule): ClaimProblem | undefined {
  const value = Object.hasOwn(object, claim) ? object[claim] : undefined;
  if (value === undefined)
    return rule.required ? { code: "claim_missing", claim, detail: `The token has no ${claim}.` } : undefined;
  if (rule.fits(value)) return undefined;
  const detail = `The claim ${claim} is not as it must be: it ${rule.must}.`;
  return { code: "claim_invalid", claim, detail };
}

/** The claims that rules know, of a payload that they let pass; frozen. What else it holds is left out. */
export function claimsOf(payload: JsonObject): TokenClaims {
  const claims = known(payload, tokenRules);
  const { src, scope, cnf } = claims;
  if (isJsonObject(src)) claims["src"] = Object.freeze(known(src, membersOfSource));
  if (scope !== undefined) Object.freeze(scope);
  if (cnf !== undefined) Object.freeze(cnf);
  return Object.freeze(claims) as unknown as TokenClaims;
}

function known(
  object: JsonObject,
  rules: readonly (readonly [string, ClaimRule])[],
): Record<string, JsonValue> {
  const found: Record<string, JsonValue> = {};
  for (const [name] of rules) if (Object.hasOwn(object, name)) found[name] = object[name] as JsonValue;
  return found;
}

/** Of any payload the claims that are as they must be: for a log that tells of a refusal. */
export const readableClaims = (payload: JsonObject): Partial<TokenClaims> =>
  claimsOf(
    known(
      payload,
      tokenRules.filter((rule) => claimProblem(payload, [rule]) === undefined),
    ),
  );
