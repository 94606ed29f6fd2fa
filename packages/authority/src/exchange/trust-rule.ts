import type { JsonObject } from "@authmesh/core";
import type { TokenClaims } from "@authmesh/oath";
import type { ClaimCondition } from "./claim-condition.js";
import { type ClaimTemplate, render } from "./claim-template.js";
import type { ExchangeRequest } from "./exchange-request.js";
import { subjectProblem } from "./granted-subject.js";
import type { Provider } from "./provider.js";

/** Which jobs get which tokens (docs/protocol.md, section 8.10). */
export interface TrustRule {
  readonly name: string;
  readonly provider: Provider;
  /** All of them must hold; those on who owns the job come first. */
  readonly conditions: readonly ClaimCondition[];
  readonly grant: Grant;
}

export interface Grant {
  readonly sub: ClaimTemplate;
  readonly aud: readonly string[];
  readonly act: readonly string[];
  readonly scope: readonly string[];
  /** The longest life of a token, in seconds. */
  readonly ttl: number;
  readonly env?: ClaimTemplate;
}

/** What a rule gives to a job. */
export type GrantedClaims = Pick<TokenClaims, "sub" | "aud" | "act"> &
  Partial<Pick<TokenClaims, "scope" | "env">>;

/** What came of one rule. */
export type RuleOutcome =
  | { readonly granted: GrantedClaims; readonly missed?: undefined }
  | { readonly granted?: undefined; readonly missed: MissedRule };

export interface MissedRule {
  readonly rule: string;
  /** A plain half-sentence. */
  readonly why: string;
  /** Whether the rule is about the owner of this job, who may therefore be told of it. */
  readonly ownersOwn: boolean;
}

/**
 * What one rule says to a request of a job.
 *
 * @param claims of a token of the rule's provider, verified
 */
export function applyRule(rule: TrustRule, request: ExchangeRequest, claims: JsonObject): RuleOutcome {
  for (const condition of rule.conditions) {
    const why = condition.misses(claims);
    if (why !== undefined) return missed(rule, why, condition.use !== "identity");
  }
  const event = untrustedEvent(rule, claims);
  if (event !== undefined) return missed(rule, event);
  const beyond = beyondGrant(rule.grant, request);
  if (beyond !== undefined) return missed(rule, beyond);
  return grantTo(rule, request, claims);
}

const missed = ({ name }: TrustRule, why: string, ownersOwn = true): RuleOutcome => ({
  missed: { rule: name, why, ownersOwn },
});

/** What started the job, where somebody without rights on the project can cause that and the rule does not name it. */
function untrustedEvent({ provider, conditions }: TrustRule, claims: JsonObject): string | undefined {
  const { event } = provider;
  if (event === undefined || conditions.some(({ claim }) => claim === event.claim)) return undefined;
  const value = claims[event.claim];
  if (typeof value === "string" && event.trusted.includes(value)) return undefined;
  return `what started the job must be named by the rule, as ${event.claim}, unless it is ${event.trusted.join(", ")}`;
}

function beyondGrant(grant: Grant, { aud, act, scope }: ExchangeRequest): string | undefined {
  if (!grant.aud.includes(aud)) return `it grants no tokens for the audience ${aud}`;
  if (!grant.act.includes(act)) return `it does not grant the action ${act}`;
  const more = scope.find((name) => !grant.scope.includes(name));
  return more === undefined ? undefined : `it does not grant the scope ${more}`;
}

function grantTo(rule: TrustRule, request: ExchangeRequest, claims: JsonObject): RuleOutcome {
  const { grant, provider } = rule;
  const sub = render(grant.sub, claims, provider);
  if (sub.problem !== undefined) return missed(rule, `no subject comes of it: ${sub.problem}`);
  const unfit = subjectProblem(sub.text);
  if (unfit !== undefined) return missed(rule, `no subject comes of it: ${unfit}`);
  if (request.sub !== undefined && request.sub !== sub.text)
    return missed(rule, `it gives the subject ${sub.text}`);
  const env = grant.env === undefined ? undefined : render(grant.env, claims, provider);
  if (env?.problem !== undefined) return missed(rule, `no env comes of it: ${env.problem}`);
  if (request.env !== undefined && request.env !== env?.text)
    return missed(rule, env === undefined ? "it gives no env" : `it gives the env ${env.text}`);
  const { aud, act, scope } = request;
  return {
    granted: {
      sub: sub.text,
      aud,
      act,
      ...(scope.length === 0 ? {} : { scope }),
      ...(env === undefined ? {} : { env: env.text }),
    },
  };
}
