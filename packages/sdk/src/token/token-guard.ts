import {
  type AmeshError,
  type AuditEvent,
  createAuditEvent,
  type Failure,
  failure,
  type IncomingRequest,
  newDecisionId,
} from "@authmesh/core";
import {
  combineRevocations,
  createTokenVerifier,
  type TokenAllowed,
  type TokenDecision,
  type TokenRefused,
  tokenVerifierOptionNames,
} from "@authmesh/oath";
import { machine } from "#machine";
import { configuredHosts } from "../audience-variable.js";
import { logUnexpected, reportDecision } from "../decision-report.js";
import { refuseUnknownOptions } from "../known-options.js";
import { consoleLogger, harmless, type Logger } from "../logger.js";
import { auditSource, openAudit, whyNotKept } from "../open-audit.js";
import { memoryOfThisProcess } from "../process-memory.js";
import { RefusalLog } from "../refusal-log.js";
import { issuerKeys } from "./issuer-keys.js";
import { loggedTokenRefusal } from "./logged-token-refusal.js";
import { problemResponse } from "./problem-response.js";
import { admitToken, atRoute } from "./route-guard.js";
import { tokenEvent } from "./token-event.js";
import { tokenFeeds } from "./token-feeds.js";
import { tokenPolicy } from "./token-policy.js";
import { watchTokens } from "./token-watch.js";
import type { VerifyTokenOptions } from "./verify-token-options.js";

/** Decides on the tokens of requests for an adapter: the one verifier, with log and callbacks. */
export interface TokenGuard {
  /** Never rejects: what fails within refuses the request. */
  decide(request: IncomingRequest): Promise<TokenDecision>;
  /** Takes down that a route refused whose token this guard let in. */
  refuse(decision: TokenAllowed, why: Failure, request: IncomingRequest): TokenRefused;
  /** Takes down that a request was refused before anything of it was verified. */
  turnAway(why: Failure, request: IncomingRequest): TokenRefused;
  /** Calls `lost` once, when a token that was let in ends or is revoked. Returns the way to stop that. */
  watch(decision: TokenAllowed, lost: (reason: AmeshError) => void): () => void;
  /** Why nobody can be let in now; what can be mended is tried again meanwhile. */
  check(): Failure | undefined;
  /** Follows policy, keys and the authority no more. */
  close(): Promise<void>;
}

const forTokens = {
  what: "tokens that were used",
  remedy: "verifyToken({ replay: new RedisNonceStore(url) })",
};

/** @throws TypeError for options that make no sense */
export function createTokenGuard(options: VerifyTokenOptions): TokenGuard {
  refuseUnknownOptions(options, optionNames);
  const { audit: sink, logger: given, onDecision, keys, replay, policy, ...rest } = options;
  const { authority, account, maxStale, identity, revocations, ...others } = rest;
  const logger = harmless(given ?? consoleLogger);
  const hosts = configuredHosts(options.hosts, "hosts");
  const source = auditSource(hosts ?? []);
  const audit = openAudit(sink, logger);
  /** For events that nothing waits for. */
  const tellAudit = (event: AuditEvent) => void audit?.record(event)?.catch(() => {});
  const local = tokenPolicy(policy, logger, (event) =>
    tellAudit(createAuditEvent({ ...event, source, data: { ...event.data } })),
  );
  const issuers = keys ?? issuerKeys(options.trustedIssuers, logger);
  const { trustedIssuers } = options;
  const feeds = tokenFeeds({ authority, account, maxStale, identity, trustedIssuers }, logger);
  const revoked =
    feeds === undefined ? revocations : combineRevocations(...[feeds, revocations ?? []].flat());
  const verifier = createTokenVerifier({
    ...others,
    revocations: revoked,
    hosts,
    keys: issuers,
    replay: replay ?? memoryOfThisProcess(logger, forTokens),
    policy: local.policy,
  });
  const refusals = new RefusalLog(logger);
  const ready = async () => {
    await local.ready?.();
    await feeds?.ready();
  };
  const watch = watchTokens({ revocations: revoked, ready });
  // What fails here fails again for the first request, and the log has it already.
  if (machine.fetchesAtLoad) {
    if (keys === undefined) issuers.preWarm?.().catch(() => {});
    void feeds?.ready();
  }

  const eventOf = (decision: TokenDecision, request: IncomingRequest) =>
    tokenEvent(decision, request, { time: Date.now() / 1000, source });
  const report = (decision: TokenDecision, request: IncomingRequest, started: number) => {
    if (!decision.allowed) refusals.write(loggedTokenRefusal(decision), request.method, request.target);
    void reportDecision(onDecision, decision, request, performance.now() - started, logger);
  };

  const take = (refused: TokenRefused, request: IncomingRequest): TokenRefused => {
    tellAudit(eventOf(refused, request));
    report(refused, request, performance.now());
    return refused;
  };

  const guard: TokenGuard = {
    async decide(request) {
      const started = performance.now();
      await ready();
      let decision = await verifier
        .verify(undefined, request)
        .catch((error: unknown) => unexpected(error, request, logger));
      const kept = audit?.record(eventOf(decision, request));
      const problem = kept === undefined ? undefined : await whyNotKept(kept);
      if (problem !== undefined && decision.allowed) {
        decision = untold(decision, problem);
        tellAudit(eventOf(decision, request)); // for those sinks that work
      }
      report(decision, request, started);
      if (decision.allowed) {
        const allowed = decision;
        admitToken(allowed.caller, (why) => problemResponse(guard.refuse(allowed, why, request)));
      }
      return decision;
    },
    refuse: (decision, why, request) => take(refusedAtRoute(decision, why), request),
    turnAway: (why, request) => take(refusedUnseen(why, request), request),
    watch: ({ claims, kid }, lost) => watch.add({ ...claims, kid }, lost),
    check() {
      void ready();
      return local.check?.() ?? feeds?.check();
    },
    async close() {
      local.close?.();
      if (keys === undefined) issuers.close?.();
      await feeds?.close();
    },
  };
  return guard;
}

/** Every option there is: those of the verifier, and those that are the guard's own. */
const optionNames: Readonly<Record<keyof VerifyTokenOptions, true>> = {
  ...tokenVerifierOptionNames,
  account: true,
  audit: true,
  authority: true,
  identity: true,
  logger: true,
  maxStale: true,
  onDecision: true,
};

/** A route asks for more than the token allows. */
const refusedAtRoute = ({ steps, target, claims }: TokenAllowed, why: Failure): TokenRefused => ({
  allowed: false,
  id: newDecisionId(),
  steps: [...steps, { step: "route", outcome: "refused" }],
  ...(target === undefined ? {} : { target }),
  failure: atRoute(why),
  claimed: { claims, verified: true },
});

/** Nobody is let in whom the audit could not tell of. Of the steps it was none. */
function untold({ id, steps, target, claims }: TokenAllowed, problem: Failure): TokenRefused {
  return {
    allowed: false,
    id: newDecisionId(),
    after: id,
    failure: { ...problem, step: 0, error: problem.code },
    steps: [...steps, { step: "audit", outcome: "refused" }],
    ...(target === undefined ? {} : { target }),
    claimed: { claims, verified: true },
  };
}

/** What the verifier has no name for: nobody is let in, and the log says what it was. Of the steps it was none. */
function unexpected(error: unknown, request: IncomingRequest, logger: Logger): TokenRefused {
  logUnexpected(error, logger);
  return refusedUnseen(failure("unexpected_error"), request);
}

/** Of a request of which nothing was found out. */
const refusedUnseen = (why: Failure, { target }: IncomingRequest): TokenRefused => ({
  allowed: false,
  id: newDecisionId(),
  failure: { ...why, step: 0, error: why.code },
  steps: [],
  target,
});
