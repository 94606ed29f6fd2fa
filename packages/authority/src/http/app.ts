import { AmeshError, type Failure, failure, type TrustStore } from "@authmesh/core";
import { tokensFeed } from "@authmesh/oath/feed";
import { type VerifyOptions, verify } from "@authmesh/sdk/hono";
import { Hono, type MiddlewareHandler } from "hono";
import type { Registration } from "../accounts/registration.js";
import type { Exchange } from "../exchange/exchange.js";
import { type ExchangeRouteOptions, exchangeRoute } from "../exchange/exchange-route.js";
import { publishedMaxAge } from "../keys/rotation.js";
import { issueToken } from "../mint/issue-token.js";
import { type Services, tell } from "../services.js";
import { AccountRoutes } from "./account-routes.js";
import { AuthenticationRoute } from "./authentication-route.js";
import { answerChallenge } from "./challenge-route.js";
import { ClaimRoutes } from "./claim-routes.js";
import { metadata, paths } from "./discovery.js";
import { addEnrollmentRoutes } from "./enrollment-routes.js";
import type { EventStreams } from "./event-streams.js";
import { feedRoutes, feedScope, nameOfFeed } from "./feed-routes.js";
import { answerIntrospect } from "./introspect-route.js";
import { boundedBody } from "./json-body.js";
import { plainProblem, problem, problemOfRefusal } from "./problem.js";
import type { RateLimit } from "./rate-limit.js";
import { answerRevocations, answerRevoke, answerUnrevoke } from "./revocation-routes.js";
import { answerToken } from "./token-route.js";

export interface AppOptions {
  readonly services: Services;
  /** How device signatures are verified: whom, for which hosts, with which nonces. */
  readonly device: VerifyOptions & { readonly allowList: TrustStore };
  /** What exchanges tokens of CI jobs now; undefined: nothing does. */
  readonly exchange: () => Exchange | undefined;
  readonly limits: { readonly address: RateLimit; readonly caller: RateLimit };
  /** Undefined where it is closed. */
  readonly registration: Registration | undefined;
  readonly publicRevocations: boolean;
  readonly publicTokensFeed: boolean;
  /** Names this run of the revocation list's generations. */
  readonly log: string;
  /** Of those who wait for a decision, and of approvers. */
  readonly streams: EventStreams;
  /** Why the authority cannot mint now. */
  readonly notReady: () => Failure | undefined;
}

/** Of any request; each endpoint has a limit of its own. */
const mostBytes = 65_536;

const asJson = { "Content-Type": "application/json" };

/** The authority's HTTP interface (docs/protocol.md, section 8.9). */
export function createApp(options: AppOptions): Hono {
  const { services, publicRevocations, log } = options;
  const { issuer, keys } = services;
  const app = new Hono();
  app.onError((error) => answerError(error, services));
  app.notFound(() => plainProblem(404, "There is nothing at this path.", "not_found"));
  app.use(hardened(services));

  app.get(paths.health, (context) => context.json({ status: "ok" }, 200, { "Cache-Control": "no-store" }));
  app.get(paths.ready, (context) => {
    const reason = options.notReady();
    return reason === undefined
      ? context.json({ status: "ready" }, 200, { "Cache-Control": "no-store" })
      : problem(reason);
  });
  app.get(paths.metrics, (context) => context.body(renderMetrics(services), 200, metricsHeaders));

  app.use(limitAddresses(options));
  const { oauth, openid } = metadata(issuer);
  const cached = { ...asJson, "Cache-Control": `public, max-age=${publishedMaxAge}` };
  app.get(paths.keys, (context) => context.body(JSON.stringify(keys.published), 200, cached));
  app.get(paths.oauthMetadata, (context) => context.body(JSON.stringify(oauth), 200, cached));
  app.get(paths.openidMetadata, (context) => context.body(JSON.stringify(openid), 200, cached));

  const device: AppOptions["device"] = {
    ...options.device,
    onDecision: (decision) => {
      if (!decision.allowed) services.metrics.add("refusals_total", decision.failure.code);
    },
  };
  const caller = fromDevice(verify(device), options);
  // Tokens are everybody's, and accounts are apart: no account's device reads or writes these, whatever it was granted there.
  const paired = { ...device, allowList: services.devices };
  const revoker = fromDevice(verify({ ...paired, scope: "revocations:w" }), options);
  const reader = publicRevocations ? fromAnybody : fromDevice(verify(paired), options);
  app.post(paths.token, timed(services), caller, (context) => answerToken(context, services));
  app.post(paths.exchange, timed(services), ...exchangeRoute(exchangeOptions(options)));
  app.post(paths.introspect, caller, (context) => answerIntrospect(context, services));
  const list = { toEverybody: publicRevocations, log };
  app.get(paths.revocations, reader, (context) => answerRevocations(context, services, list));
  app.post(paths.revocations, revoker, (context) => answerRevoke(context, services));
  app.delete(paths.revocations, revoker, (context) => answerUnrevoke(context, services));
  app.post(paths.challenges, boundedBody, (context) => answerChallenge(context, services));
  const accounts = new AccountRoutes(services, options.registration);
  app.post(paths.accounts, boundedBody, accounts.register);
  app.post(paths.activation, boundedBody, accounts.activate);
  const claims = new ClaimRoutes(services);
  app.post(paths.onboarding, boundedBody, claims.onboard);
  app.post(paths.recovery, boundedBody, claims.recover);
  const authentication = new AuthenticationRoute(services);
  app.post(paths.authentication, timed(services), boundedBody, authentication.answer);
  app.get(paths.feedKey, (context) =>
    context.json(services.feeds.keys.published, 200, { "Cache-Control": "no-store" }),
  );
  const feedReader = readerOfFeed(fromDevice(verify({ ...device, scope: feedScope }), options), options);
  for (const [path, answer] of feedRoutes(services, device.allowList)) app.get(path, feedReader, answer);
  const enrolled = { ...device, allowList: services.enrolled };
  addEnrollmentRoutes(app, {
    services,
    gates: {
      any: fromDevice(verify(enrolled), options),
      reader: fromDevice(verify({ ...enrolled, scope: "__manage:r" }), options),
      manager: fromDevice(verify({ ...enrolled, scope: "__manage:w" }), options),
    },
    streams: options.streams,
  });
  refuseOtherMethods(app);
  return app;
}

/** To be called when all endpoints are there. */
function refuseOtherMethods(app: Hono): void {
  const endpoints = app.routes.filter(({ method }) => method !== "ALL");
  for (const path of new Set(endpoints.map(({ path }) => path))) {
    const methods = endpoints.filter((endpoint) => endpoint.path === path).map(({ method }) => method);
    const allow = [...new Set(methods)].join(", ");
    app.all(path, () => {
      const answer = plainProblem(405, `This path takes ${allow}.`, "method_not_allowed");
      answer.headers.set("Allow", allow);
      return answer;
    });
  }
}

function exchangeOptions({ services, exchange }: AppOptions): ExchangeRouteOptions {
  const { issuer, metrics, audit, logger, now } = services;
  return {
    exchange,
    issuer,
    mint: (claims, ttlSeconds) => issueToken(services, claims, ttlSeconds),
    async onEvent(event) {
      await audit.record(event);
      if (event.type === "dev.authmesh.token.exchanged") metrics.add("tokens_total", "exchange");
    },
    onRefused: (code) => metrics.add("refusals_total", code),
    logger,
    now,
  };
}

function hardened({ metrics }: Services): MiddlewareHandler {
  return async (context, next) => {
    const announced = Number(context.req.header("content-length") ?? 0);
    if (announced > mostBytes) {
      metrics.add("refusals_total", "payload_too_large");
      return problem(failure("payload_too_large"));
    }
    await next();
    context.res.headers.set("X-Content-Type-Options", "nosniff");
    return undefined;
  };
}

const fromAnybody: MiddlewareHandler = (_, next) => next();

/** The device verifier, whose refusals become problem documents, and behind it the limit of each caller. */
function fromDevice(verifier: MiddlewareHandler, { limits, services }: AppOptions): MiddlewareHandler {
  return async (context, next) => {
    let limited: Response | undefined;
    const refusal = await verifier(context, async () => {
      const { deviceId, decisionId } = context.get("authMesh");
      limited = tooOften(limits.caller.take(deviceId), services, "Too many requests of this device.");
      if (limited !== undefined)
        tell(services, {
          type: "dev.authmesh.request.refused",
          subject: deviceId,
          proven: true,
          data: { code: "rate_limited", step: "limit", after: decisionId },
        });
      if (limited !== undefined) return;
      const enrollment = services.enrolled.findById(deviceId, "controller")?.enrollment;
      if (enrollment !== undefined) services.uses.note(enrollment.id);
      await next();
    });
    return refusal instanceof Response ? problemOfRefusal(refusal) : limited;
  };
}

function limitAddresses({ limits, services }: AppOptions): MiddlewareHandler {
  return async (context, next) => {
    return tooOften(limits.address.take(services.addressOf(context)), services) ?? next();
  };
}

/** Devices that hold `feed:r`, and of the feed `tokens` everybody where the authority is told so. */
function readerOfFeed(device: MiddlewareHandler, { publicTokensFeed }: AppOptions): MiddlewareHandler {
  return (context, next) =>
    publicTokensFeed && nameOfFeed(context) === tokensFeed ? next() : device(context, next);
}

function tooOften(seconds: number | undefined, { metrics }: Services, title?: string): Response | undefined {
  if (seconds === undefined) return undefined;
  metrics.add("refusals_total", "rate_limited");
  const detail = `There were too many requests; the next may come in ${seconds} s.`;
  return problem(
    { ...failure("rate_limited", detail), retryAfterSeconds: seconds },
    title === undefined ? {} : { title },
  );
}

function timed({ metrics }: Services): MiddlewareHandler {
  return async (_, next) => {
    const started = performance.now();
    await next();
    metrics.observe("token_request_seconds", (performance.now() - started) / 1000);
  };
}

function answerError(error: unknown, { logger, metrics }: Services): Response {
  const known = error instanceof AmeshError ? error.failure : undefined;
  const told = known !== undefined && known.status > 0 ? known : failure("unexpected_error");
  metrics.add("refusals_total", told.code);
  if (told.status >= 500) {
    const detail = known?.detail ?? (error instanceof Error ? error.stack : String(error));
    logger.error("a request could not be answered", { code: known?.code, detail, fix: known?.fix });
  }
  return problem(told);
}

const metricsHeaders = {
  "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
  "Cache-Control": "no-store",
};

function renderMetrics({ metrics, keys, devices, feeds, now }: Services): string {
  metrics.set("feed_connections", "", feeds.streams.size);
  const active = keys.keys.find(({ state }) => state === "active");
  metrics.set(
    "active_key_age_seconds",
    "",
    active === undefined ? 0 : Math.floor(now() / 1000) - active.since,
  );
  metrics.set("devices", "", devices.check() === undefined ? devices.state.devices.length : 0);
  return metrics.render();
}
