import {
  AmeshError,
  type AuditEvent,
  createAuditEvent,
  type ErrorCode,
  type Failure,
  failure,
  type JsonObject,
  quoteForeign,
} from "@authmesh/core";
import type { ClaimsToMint, MintedToken } from "@authmesh/oath";
import type { Logger } from "@authmesh/sdk";
import type { Context, Handler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { problem } from "../http/problem.js";
import type { Exchange, ExchangeAllowed, ExchangeDecision, ExchangeRefused } from "./exchange.js";
import { jwtType } from "./exchange-request.js";

export interface ExchangeRouteOptions {
  /** As the configuration has it now; undefined: this authority exchanges nothing. */
  readonly exchange: () => Exchange | undefined;
  /** The authority's issuer URL, for audit events. */
  readonly issuer: string;
  /** Mints a token of these claims. What it throws refuses the exchange. */
  readonly mint: (claims: ClaimsToMint, ttlSeconds: number) => Promise<MintedToken>;
  /** Told of every exchange. No token is given out before it is done; what it rejects with refuses the exchange. */
  readonly onEvent: (event: AuditEvent) => Promise<void> | undefined;
  /** Told of every refusal, for counting. Default: nobody. */
  readonly onRefused?: (code: ErrorCode) => void;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A subject token and twelve parameters, percent-encoded. */
const maxBodyBytes = 65_536;

/**
 * `POST /v1/token/exchange` (RFC 8693; docs/protocol.md, section 8.10), for `app.post(path, ...exchangeRoute(options))`.
 * Limits of rate and time are those of the server it is mounted on.
 */
export function exchangeRoute(options: ExchangeRouteOptions): [Handler, Handler] {
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => turnAway(failure("payload_too_large"), options),
  });
  return [limit, (context) => answer(context, options)];
}

async function answer(context: Context, options: ExchangeRouteOptions): Promise<Response> {
  const type = context.req.header("content-type") ?? "";
  if (type.split(";")[0]?.trim().toLowerCase() !== "application/x-www-form-urlencoded")
    return turnAway(
      failure("exchange_request_invalid", "The body is not application/x-www-form-urlencoded."),
      options,
    );
  const exchange = options.exchange();
  if (exchange === undefined)
    return turnAway(
      failure("exchange_denied", "This authority exchanges no tokens of other issuers."),
      options,
    );
  const decision = await exchange.decide(new URLSearchParams(await context.req.text()));
  if (!decision.allowed) return refuse(decision, options);
  try {
    return await grant(decision, options);
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    const { id, incoming } = decision;
    const refused = { allowed: false, id, failure: error.failure, step: "mint", missed: [] } as const;
    return refuse(incoming === undefined ? refused : { ...refused, incoming }, options);
  }
}

async function grant(decision: ExchangeAllowed, options: ExchangeRouteOptions): Promise<Response> {
  const { token, claims } = await options.mint(decision.claims, decision.ttlSeconds);
  const { sub, aud, act, scope = [], src, jti } = claims;
  const data = {
    rule: decision.rule,
    token: { sub, aud, act, scope, jti, ...(src === undefined ? {} : { src: { ...src } }) },
  };
  await options.onEvent(eventOf(decision, "dev.authmesh.token.exchanged", options, data));
  const body = {
    access_token: token,
    issued_token_type: jwtType,
    token_type: "OathMesh",
    expires_in: claims.exp - claims.iat,
    ...(scope.length === 0 ? {} : { scope: scope.join(" ") }),
  };
  return Response.json(body, { headers: { "Cache-Control": "no-store" } });
}

/** Before anything of the token was read: neither log nor audit has a use for it. */
function turnAway(refusal: Failure, { onRefused }: ExchangeRouteOptions): Response {
  onRefused?.(refusal.code);
  return problem(refusal);
}

function refuse(decision: ExchangeRefused, options: ExchangeRouteOptions): Response {
  const { id, failure, step, missed, incoming } = decision;
  const rules = missed.map(({ rule, why }) => `${rule}: ${why}`);
  options.onRefused?.(failure.code);
  options.logger.warn(`exchange refused: ${failure.code}: ${failure.detail}`, {
    decision: id,
    code: failure.code,
    step,
    ...(incoming?.verified ? { job: quoteForeign(incoming.sub ?? "") } : {}),
    ...(rules.length === 0 ? {} : { rules }),
    fix: failure.fix,
  });
  const data = { code: failure.code, step, ...(rules.length === 0 ? {} : { rules }) };
  const event = eventOf(decision, "dev.authmesh.token.refused", options, data);
  options.onEvent(event)?.catch(() => {}); // refused it is in any case
  return problem(shown(failure), { step, decision: id });
}

function eventOf(
  { id, incoming }: ExchangeDecision,
  type: "dev.authmesh.token.exchanged" | "dev.authmesh.token.refused",
  { issuer, now }: ExchangeRouteOptions,
  data: JsonObject,
): AuditEvent {
  const { verified, ...said } = incoming ?? { verified: false };
  const job = verified ? { job: said } : incoming === undefined ? {} : { unverified: { job: said } };
  return createAuditEvent({
    type,
    id,
    time: now() / 1000,
    source: issuer,
    subject: verified ? incoming?.sub : undefined,
    proven: verified,
    data: { ...data, ...job },
  });
}

/** Of the caller's own token, so nothing is kept back; a bad request, as RFC 8693, section 2.2.2, has it. */
const shown = (refusal: Failure): Failure => ({
  ...refusal,
  public: refusal.code,
  status: refusal.status === 401 ? 400 : refusal.status || 500,
});
