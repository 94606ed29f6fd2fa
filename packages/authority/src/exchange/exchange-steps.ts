import { createHash } from "node:crypto";
import {
  type CheckStep,
  type Failure,
  failure,
  isoTime,
  type JsonValue,
  keptLonger,
  type NonceStore,
  spendNonce,
} from "@authmesh/core";
import type { ExchangeRequest } from "./exchange-request.js";
import type { Provider } from "./provider.js";
import type { ProviderKeys } from "./provider-keys.js";
import { quoteClaim, readSubjectToken, type SubjectToken } from "./subject-token.js";
import { applyRule, type GrantedClaims, type MissedRule, type TrustRule } from "./trust-rule.js";

/** What the steps of one exchange share: each fills in what later ones read. */
export class ExchangeContext {
  readonly request: ExchangeRequest;
  token!: SubjectToken;
  provider!: Provider;
  /** Set once the signature was found right. */
  verified = false;
  /** Unix seconds. */
  issuedAt!: number;
  expiresAt!: number;
  rule!: TrustRule;
  granted!: GrantedClaims;
  /** What came of the rules before the one that granted; for the operator. */
  missed: readonly MissedRule[] = [];

  constructor(request: ExchangeRequest) {
    this.request = request;
  }
}

export interface ExchangeSettings {
  /** The `aud` that a provider's token must have. */
  readonly audience: string;
  /** By issuer. */
  readonly providers: ReadonlyMap<string, Provider>;
  readonly rules: readonly TrustRule[];
  readonly keys: ProviderKeys;
  readonly nonces: NonceStore;
  /** How far clocks may differ, in seconds. */
  readonly clockSkewSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** No longer is a used token remembered. */
const longestTokenLife = 86_400;

type Step = CheckStep<ExchangeContext, ExchangeSettings>;

const structure: Step = {
  name: "structure",
  run(context) {
    const token = readSubjectToken(context.request.subjectToken);
    if ("code" in token) return token;
    context.token = token;
    return undefined;
  },
};

const issuer: Step = {
  name: "issuer",
  run(context, { providers }) {
    const { iss } = context.token.claims;
    const provider = typeof iss === "string" ? providers.get(iss) : undefined;
    if (provider === undefined)
      return failure(
        "issuer_untrusted",
        `The issuer of the subject token, ${quoteClaim(iss)}, is no provider of this authority.`,
        "Name the provider in the authority's configuration, with the issuer exactly as its tokens have it.",
      );
    context.provider = provider;
    return undefined;
  },
};

const algorithm: Step = {
  name: "algorithm",
  run({ token, provider }) {
    if ((provider.algorithms as readonly string[]).includes(token.alg)) return undefined;
    return failure(
      "algorithm_not_allowed",
      `The subject token's alg is ${quoteClaim(token.alg)}; tokens of ${provider.name} are signed with ${provider.algorithms.join(" or ")}.`,
      "Send the provider's ID token as it came.",
    );
  },
};

const signature: Step = {
  name: "signature",
  async run(context, { keys }) {
    const { token, provider } = context;
    const key = await keys.find(provider.issuer, token.kid);
    if (key === undefined)
      return failure(
        "key_unknown",
        `${provider.name} publishes no key ${quoteClaim(token.kid)}.`,
        "Obtain a new ID token; if that does not help, compare its kid with what the provider's jwks_uri shows.",
      );
    if (key.alg !== token.alg || !key.verify(token.signingInput, token.signature))
      return failure(
        "signature_invalid",
        `The subject token is not signed by the key of ${provider.name} that it names.`,
        "Send the provider's ID token as it came.",
      );
    context.verified = true;
    return undefined;
  },
};

const audience: Step = {
  name: "audience",
  run({ token }, { audience }) {
    const { aud } = token.claims;
    const only = Array.isArray(aud) && aud.length === 1 ? (aud[0] as JsonValue) : aud;
    if (only === audience) return undefined;
    // A token that names another besides may have been handed to it, which could then speak as the job here.
    return failure(
      "audience_mismatch",
      `The subject token is not for this authority alone: its aud is ${quoteClaim(aud)}.`,
      `Ask the provider for a token with exactly the audience ${audience}.`,
    );
  },
};

const lifetime: Step = {
  name: "lifetime",
  run(context, { clockSkewSeconds, now }) {
    const { iat, exp, nbf = 0 } = context.token.claims;
    const at = Math.floor(now() / 1000);
    if (!isSeconds(iat) || !isSeconds(exp) || !isSeconds(nbf)) return badTime;
    if (exp <= iat || exp - iat > longestTokenLife)
      return failure(
        "lifetime_exceeded",
        `The subject token lives ${exp - iat} s; 1 to ${longestTokenLife} are accepted.`,
        "Shorten the job's time limit, where the token lives as long as the job.",
      );
    if (exp + clockSkewSeconds <= at)
      return failure("token_expired", `The subject token expired at ${isoTime(exp)}.`, newToken);
    if (Math.max(iat, nbf) > at + clockSkewSeconds)
      return failure(
        "token_not_yet_valid",
        `The subject token is good from ${isoTime(Math.max(iat, nbf))} on.`,
        "Set the authority's clock by NTP.",
      );
    context.issuedAt = iat;
    context.expiresAt = exp;
    return undefined;
  },
};

const rule: Step = {
  name: "rule",
  run(context, { rules }) {
    const { request, token, provider } = context;
    const missed: MissedRule[] = [];
    context.missed = missed;
    for (const rule of rules) {
      if (rule.provider !== provider) continue;
      const outcome = applyRule(rule, request, token.claims);
      if (outcome.missed !== undefined) {
        missed.push(outcome.missed);
        continue;
      }
      context.rule = rule;
      context.granted = outcome.granted;
      return undefined;
    }
    return denied(missed.filter(({ ownersOwn }) => ownersOwn));
  },
};

/** Last, so that what is refused for another reason can be asked for again with the same token. */
const replay: Step = {
  name: "replay",
  async run({ token, provider, issuedAt, expiresAt }, settings) {
    const windowSeconds = Math.max(
      1,
      expiresAt - Math.floor(settings.now() / 1000) + settings.clockSkewSeconds + keptLonger,
    );
    const { jti } = token.claims;
    // Not of the whole token: one signature can be written in more than one way.
    const id = typeof jti === "string" && jti !== "" ? `jti ${jti}` : token.signingInput;
    const name = `oidc:${sha256(provider.issuer)}:${sha256(id)}`;
    const refusal = await spendNonce({}, { name, signedAt: issuedAt, windowSeconds }, settings);
    if (refusal?.status !== 401) return refusal;
    return refusal.code === "replay_detected" ? used : { ...refusal, fix: newToken };
  },
};

/** The checks of an exchange in their order (docs/protocol.md, section 8.10). */
export const exchangeSteps: readonly Step[] = [
  structure,
  issuer,
  algorithm,
  signature,
  audience,
  lifetime,
  rule,
  replay,
];

const newToken = "Obtain a new ID token from the provider; each is good for one exchange.";

const used: Failure = failure("replay_detected", "The subject token was exchanged before.", newToken);

const badTime: Failure = failure(
  "token_malformed",
  "iat, exp or nbf of the subject token are not Unix seconds.",
  "Send the provider's ID token as it came.",
);

/** The caller hears of the rules that are about its own repository; of the others it could learn who else is let in. */
function denied(own: readonly MissedRule[]): Failure {
  if (own.length === 0) return failure("exchange_denied");
  const reasons = own.slice(0, 8).map(({ rule, why }) => `${rule}: ${why}`);
  return failure("exchange_denied", `No rule grants it (${reasons.join("; ")}).`);
}

const isSeconds = (value: JsonValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 253_402_300_799;

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("base64url");
