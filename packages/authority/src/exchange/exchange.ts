import { randomBytes } from "node:crypto";
import {
  AmeshError,
  type Failure,
  type JsonObject,
  type NonceStore,
  runSteps,
  toBase64Url,
} from "@authmesh/core";
import { type ClaimsToMint, defaultLife, sourceRules, type TokenSource } from "@authmesh/oath";
import type { ExchangeConfig } from "./exchange-config.js";
import { type ExchangeRequest, readExchangeRequest } from "./exchange-request.js";
import { ExchangeContext, type ExchangeSettings, exchangeSteps } from "./exchange-steps.js";
import type { Provider } from "./provider.js";
import { createProviderKeys, type ProviderKeys } from "./provider-keys.js";
import type { MissedRule } from "./trust-rule.js";
import { claimText } from "./verified-claims.js";

export interface ExchangeOptions {
  readonly config: ExchangeConfig;
  /** The authority's issuer URL; what a provider's token must have as `aud` where the configuration names nothing. */
  readonly issuer: string;
  /** Where used tokens are remembered; shared by the replicas of one authority. */
  readonly nonces: NonceStore;
  /** How far clocks may differ, in seconds, 0 to 60. Default 30. */
  readonly clockSkewSeconds?: number;
  /** Default: fetched from the providers. */
  readonly keys?: ProviderKeys;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

/** What was decided on one exchange. */
export type ExchangeDecision = ExchangeAllowed | ExchangeRefused;

interface ExchangeDecided {
  /** To find one decision in a log. */
  readonly id: string;
  /** What the provider's token says of itself, as far as it was read; foreign text until `verified`. */
  readonly incoming?: IncomingToken;
}

export interface ExchangeAllowed extends ExchangeDecided {
  readonly allowed: true;
  /** Name of the rule that grants it. */
  readonly rule: string;
  readonly claims: ClaimsToMint;
  /** 1 to 300. */
  readonly ttlSeconds: number;
}

export interface ExchangeRefused extends ExchangeDecided {
  readonly allowed: false;
  readonly failure: Failure;
  /** Name of the step that refused: docs/protocol.md, section 8.10. */
  readonly step: string;
  /** Why each rule of the provider did not grant it; for the operator. */
  readonly missed: readonly MissedRule[];
}

export interface IncomingToken {
  readonly verified: boolean;
  readonly iss?: string;
  readonly sub?: string;
  readonly jti?: string;
}

/** Trades tokens of OIDC providers for claims of ours. */
export interface Exchange {
  /** Decides on the parameters of RFC 8693. Never throws for what a caller sent. */
  decide(form: URLSearchParams): Promise<ExchangeDecision>;
  close(): void;
}

/**
 * The exchange of OIDC tokens for claims that an authority mints (docs/protocol.md, section 8.10).
 *
 * @throws TypeError for options that make no sense
 */
export function createExchange(options: ExchangeOptions): Exchange {
  const { config, issuer, nonces, clockSkewSeconds = 30, now = Date.now } = options;
  if (!(Number.isInteger(clockSkewSeconds) && clockSkewSeconds >= 0 && clockSkewSeconds <= 60))
    throw new TypeError("clockSkewSeconds must be an integer from 0 to 60.");
  const keys = options.keys ?? createProviderKeys(config.providers, { now });
  const settings: ExchangeSettings = {
    audience: config.audience ?? issuer,
    providers: new Map(config.providers.map((provider) => [provider.issuer, provider])),
    rules: config.rules,
    keys,
    nonces,
    clockSkewSeconds,
    now,
  };
  return { decide: (form) => decide(form, settings), close: () => keys.close?.() };
}

async function decide(form: URLSearchParams, settings: ExchangeSettings): Promise<ExchangeDecision> {
  const id = toBase64Url(randomBytes(12));
  const request = readOrFailure(form);
  if ("code" in request) return { allowed: false, id, failure: request, step: "request", missed: [] };
  const context = new ExchangeContext(request);
  const refusal = await runSteps(exchangeSteps, context, settings);
  const decided = { id, ...incomingOf(context) };
  if (refusal !== undefined) {
    const { failure, index } = refusal;
    const step = exchangeSteps[index]?.name ?? "";
    return { allowed: false, ...decided, failure, step, missed: context.missed };
  }
  const { rule, granted, provider, token } = context;
  const { rqh, cnf, ttl = defaultLife } = request;
  const src = sourceOf(provider, token.claims);
  return {
    allowed: true,
    ...decided,
    rule: rule.name,
    claims: { ...granted, src, ...(rqh === undefined ? {} : { rqh }), ...(cnf === undefined ? {} : { cnf }) },
    ttlSeconds: Math.min(ttl, rule.grant.ttl),
  };
}

function readOrFailure(form: URLSearchParams): ExchangeRequest | Failure {
  try {
    return readExchangeRequest(form);
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return error.failure;
  }
}

/** Where the job runs, from verified claims. What no claim says, or says in a way that does not fit, is left out. */
function sourceOf({ name, source }: Provider, claims: JsonObject): TokenSource {
  const members = Object.entries(source).flatMap(([member, claim]) => {
    const value = claimText(claims, claim);
    const fits = value !== undefined && sourceRules[member as keyof TokenSource].fits(value);
    return fits ? [[member, value] as const] : [];
  });
  return { type: name, ...Object.fromEntries(members) };
}

function incomingOf({ token, verified }: ExchangeContext): Pick<ExchangeDecided, "incoming"> {
  if (token === undefined) return {};
  const said = ["iss", "sub", "jti"].flatMap((name) => {
    const value = claimText(token.claims, name);
    return value === undefined ? [] : [[name, value.slice(0, 256)] as const];
  });
  return { incoming: { verified, ...Object.fromEntries(said) } };
}
