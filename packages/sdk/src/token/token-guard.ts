import {
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
import { admitToken } from "./route-guard.js";
import { tokenEvent } from "./token-event.js";
import { tokenFeeds } from "./token-feeds.js";
import { tokenPolicy } from "./token-policy.js";
import type { VerifyTokenOptions } from "./verify-token-options.js";

/** Decides on the tokens of requests for an adapter: the one verifier, with log and callbacks. */
export interface TokenGuard {
  /** Never rejects: what fails within refuses the request. */
  decide(request: IncomingRequest): Promise<TokenDecision>;
}

const forTokens = {
  what: "tokens that were used",
  remedy: "verifyToken({ replay: new RedisNonceStore(url) })",
};

/** @throws TypeError for options that make no sense */
export function createTokenGuard(options: VerifyTokenOptions): TokenGuard {
  refuseUnknownOptions(options, optionNames);
  const { audit: sink, logger: given, onDecision, keys, replay, policy, ...rest } = options;
  const { authority, account, maxStale, revocations, ...others } = rest;
  const logger = harmless(given ?? consoleLogger);
  const hosts = configuredHosts(options.hosts, "hosts");
  const source = auditSource(hosts ?? []);
  const audit = openAudit(sink, logger);
  /** For events that nothing waits for. */
  const tellAudit = (event: AuditEvent) => void audit?.record(event)?.catch(() => {});
  const { policy: decides, ready } = tokenPolicy(policy, logger, (event) =>
    tellAudit(createAuditEvent({ ...event, source, data: { ...event.data } })),
  );
  const issuers = keys ?? issuerKeys(options.trustedIssuers, logger);
  const feeds = tokenFeeds({ authority, account, maxStale, trustedIssuers: options.trustedIssuers }, logger);
  const verifier = createTokenVerifier({
    ...others,
    revocations: feeds === undefined ? revocations : combineRevocations(...[feeds, revocations ?? []].flat()),
    hosts,
    keys: issuers,
    replay: replay ?? memoryOfThisProcess(logger, forTokens),
    policy: decides,
  });
  const refusals = new RefusalLog(logger);
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

  return {
    async decide(request) {
      const started = performance.now();
      await ready?.();
      await feeds?.ready();
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
      if (decision.allowed)
        admitToken(decision, (refused) => {
          tellAudit(eventOf(refused, request));
          report(refused, request, started);
        });
      return decision;
    },
  };
}

/** Every option there is: those of the verifier, and those that are the guard's own. */
const optionNames: Readonly<Record<keyof VerifyTokenOptions, true>> = {
  account: true,
  algorithms: true,
  allowOverrideHeaders: true,
  audience: true,
  audit: true,
  authority: true,
  bodyTimeoutSeconds: true,
  contentEncodings: true,
  hosts: true,
  keys: true,
  leewaySeconds: true,
  logger: true,
  maxBodyBytes: true,
  maxPendingBodies: true,
  maxStale: true,
  maxTokenBytes: true,
  maxVerifiedTokens: true,
  now: true,
  onDecision: true,
  onShadow: true,
  pathPrefix: true,
  policy: true,
  replay: true,
  replayScope: true,
  requireRequestBinding: true,
  revocations: true,
  shadowPolicy: true,
  tokenUse: true,
  trustProxy: true,
  trustedIssuers: true,
};

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
function unexpected(error: unknown, { target }: IncomingRequest, logger: Logger): TokenRefused {
  logUnexpected(error, logger);
  const mistake = failure("unexpected_error");
  return {
    allowed: false,
    id: newDecisionId(),
    failure: { ...mistake, step: 0, error: mistake.code },
    steps: [],
    target,
  };
}
