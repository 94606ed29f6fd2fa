import {
  type Allowed,
  type AmeshError,
  createVerifier,
  type Decision,
  type Failure,
  failure,
  type IncomingRequest,
  newDecisionId,
  requestAuditEvent,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { deviceIdForm } from "@authmesh/core/records";
import { machine } from "#machine";
import { configuredHosts } from "./audience-variable.js";
import { logUnexpected, reportDecision } from "./decision-report.js";
import type { DeviceRevocations, RevocationScene } from "./device-revocations.js";
import { feedPlaces } from "./feed/authority-option.js";
import { UnitedTrust } from "./feed/united-trust.js";
import { refuseUnknownOptions } from "./known-options.js";
import { consoleLogger, harmless, type Logger } from "./logger.js";
import { auditSource, openAudit, whyNotKept } from "./open-audit.js";
import { memoryOfThisProcess } from "./process-memory.js";
import { type LoggedRefusal, RefusalLog } from "./refusal-log.js";
import type { Refusal } from "./refusal-response.js";
import type { RouteRequirement } from "./token/route-requirement.js";
import { standingDevice, watchTrust } from "./trust-watch.js";
import type { VerifyOptions } from "./verify-options.js";
import { warnOnce } from "./warn-once.js";

const forNonces = {
  what: "nonces",
  remedy: "amesh.verify({ nonceStore: new RedisNonceStore(url) })",
};

/** Decides on requests for an adapter: the one verifier, fed from this machine, with log and callbacks. */
export interface RequestGuard {
  /** Never rejects: what fails within refuses the request. */
  decide(request: IncomingRequest): Promise<Decision>;
  /** Takes down that a route refused whom this guard let in. */
  refuse(decision: Allowed, why: Failure, request: IncomingRequest): Refusal;
  /** Takes down that a request was refused before anything of it was verified. */
  turnAway(why: Failure, request: IncomingRequest): Refusal;
  /**
   * Calls `lost` once, when a device that was let in would no longer be, or lacks what its route requires. Returns the way to
   * stop that.
   */
  watch(deviceId: string, lost: (reason: AmeshError) => void, requires?: RouteRequirement): () => void;
  /** A device that would be let in now. */
  known(deviceId: string): Pick<TrustedDevice, "deviceId" | "friendlyName"> | undefined;
  /** Why nobody can be let in now; what can be mended is tried again meanwhile. */
  check(): Failure | undefined;
  /** Follows the authority no more. */
  close(): Promise<void>;
}

/** @throws TypeError for options that make no sense */
export function createRequestGuard(options: VerifyOptions = {}): RequestGuard {
  refuseUnknownOptions(options, optionNames);
  const logger = harmless(options.logger ?? consoleLogger);
  const named = configuredHosts(options.audience, "audience");
  const audience = named ?? [];
  const { allowList } = options;
  const local = typeof allowList === "object" ? undefined : machine.localTrust(allowList, logger);
  const listed: TrustStore = local ?? (allowList as TrustStore);
  const feed = accountFeed(options, logger);
  const united = feed === undefined ? listed : new UnitedTrust(listed, feed);
  const opened = async () => {
    await local?.ready();
    await feed?.ready();
  };
  const memory = () => local?.fleetMemory;
  // Over the feed, so that enrolled devices may revoke, and none that the feed revoked.
  const fleet = followFleet(options, { trust: united, ready: opened, memory, logger }, () => local?.deviceId);
  const trust = fleet ?? united;
  const nonces = options.nonceStore ?? memoryOfThisProcess(logger, forNonces);
  const verifier = createVerifier({ ...options, audience: named, trust, nonces });
  refuseUnknownEncodings(options);
  const refusals = new RefusalLog(logger);
  const audit = openAudit(options.audit, logger);
  const ready = () => (fleet ?? { ready: opened }).ready();
  const watch = watchTrust({ trust, ready, scope: options.scope });
  warnWithoutAudience(ready, trust, audience, logger);

  const record = (decision: Decision, request: IncomingRequest) =>
    audit?.record(
      requestAuditEvent(
        decision,
        { method: request.method, host: request.headers("host")[0] },
        { time: Date.now() / 1000, source: auditSource(audience.length > 0 ? audience : trust.audience) },
      ),
    );

  const report = (decision: Decision, request: IncomingRequest, started: number) => {
    if (!decision.allowed) refusals.write(loggedRefusal(decision), request.method, request.target);
    else
      for (const warning of decision.warnings) warnOnce(logger, `device ${decision.caller.id}: ${warning}`);
    void reportDecision(options.onDecision, decision, request, performance.now() - started, logger);
  };

  return {
    async decide(request) {
      const started = performance.now();
      let decision = await ready()
        .then(() => verifier(request))
        .catch((error: unknown) => unexpected(error, request, logger));
      const kept = record(decision, request);
      const problem = kept === undefined ? undefined : await whyNotKept(kept);
      if (problem !== undefined && decision.allowed) {
        decision = refusedAfter(decision, problem, "audit");
        record(decision, request)?.catch(() => {}); // for those sinks that work
      }
      report(decision, request, started);
      return decision;
    },
    refuse(decision, why, request) {
      const refused = refusedAfter(decision, why, "route");
      record(refused, request)?.catch(() => {});
      report(refused, request, performance.now());
      return refused;
    },
    turnAway(why, request) {
      const refused = refusedUnseen(why, "proof", request);
      record(refused, request)?.catch(() => {});
      report(refused, request, performance.now());
      return refused;
    },
    watch: (deviceId, lost, requires) => watch.add({ deviceId, requires }, lost),
    known: (deviceId) => standingDevice({ trust }, deviceId).device,
    check() {
      void ready();
      return trust.check();
    },
    async close() {
      if (feed !== undefined) await machine.leaveFeed(feed);
    },
  };
}

/** @throws TypeError for an authority without an account, and for what else makes no sense */
function accountFeed(
  options: VerifyOptions,
  logger: Logger,
): ReturnType<typeof machine.localFeed> | undefined {
  const places = feedPlaces(options);
  if (places === undefined) return undefined;
  if (places.account === undefined) throw new TypeError("authority makes no sense without account.");
  const { allowList } = options;
  return machine.localFeed({
    ...places.account,
    folder: typeof allowList === "string" ? allowList : undefined,
    logger,
  });
}

function followFleet(
  { revocations, revokers }: VerifyOptions,
  scene: Omit<RevocationScene, "revokers">,
  ownId: () => string | undefined,
): ReturnType<DeviceRevocations["over"]> | undefined {
  if (revokers !== undefined && revocations === undefined)
    throw new TypeError("revokers makes no sense without revocations.");
  const wrong = revokers?.find((id) => !deviceIdForm.test(id));
  if (wrong !== undefined) throw new TypeError(`revokers: ${wrong} is not a device id.`);
  const own = () => [ownId() ?? []].flat();
  return revocations?.over({ ...scene, revokers: () => revokers ?? own() });
}

function loggedRefusal({ id, failure, step, proven, caller }: Refusal): LoggedRefusal {
  const device = caller === undefined ? {} : { caller: { device: caller.id, name: caller.name } };
  return { id, failure, step, proven, ...device };
}

/** The decision that takes another one back: where the audit could not tell of it, and where a route asks for more. */
function refusedAfter(
  { caller, warnings: _, ...decision }: Allowed,
  failure: Failure,
  step: string,
): Refusal {
  const { kind, id, name } = caller;
  const steps = [...decision.steps, { step, outcome: "refused" } as const];
  const fresh = { id: newDecisionId(), allowed: false, failure, step, after: decision.id } as const;
  return { ...decision, ...fresh, steps, caller: { kind, id, name } };
}

/** What the verifier has no name for: nobody is let in, and the log says what it was. */
function unexpected(error: unknown, request: IncomingRequest, logger: Logger): Decision {
  logUnexpected(error, logger);
  return refusedUnseen(failure("unexpected_error"), "verifier", request);
}

/** Of a request of which nothing was found out. */
const refusedUnseen = (failure: Failure, step: string, { target }: IncomingRequest): Refusal => ({
  allowed: false,
  id: newDecisionId(),
  failure,
  step,
  steps: [],
  target,
  proven: false,
});

/** Every option there is. A misspelt one would leave a server open that its author believes closed. */
const optionNames: Readonly<Record<keyof VerifyOptions, true>> = {
  account: true,
  allowList: true,
  allowOverrideHeaders: true,
  audience: true,
  audit: true,
  authority: true,
  bodyTimeoutSeconds: true,
  clockSkewSeconds: true,
  contentEncodings: true,
  evidence: true,
  logger: true,
  maxBodyBytes: true,
  maxPendingBodies: true,
  maxStale: true,
  nonceStore: true,
  nonceWindowSeconds: true,
  onDecision: true,
  pathPrefix: true,
  requireHostBinding: true,
  revocations: true,
  revokers: true,
  scope: true,
  trustProxy: true,
};

function refuseUnknownEncodings({ contentEncodings = [] }: VerifyOptions): void {
  const unknown = contentEncodings.find((encoding) => !machine.contentEncodings.has(encoding.toLowerCase()));
  if (unknown === undefined) return;
  throw new TypeError(
    `contentEncodings: ${unknown} is none of ${[...machine.contentEncodings].join(", ") || "the encodings that this runtime decodes: it decodes none"}.`,
  );
}

/** Opens the trust store at once, so that what is wrong is seen at start and not by the first caller. */
function warnWithoutAudience(
  ready: () => Promise<void>,
  trust: TrustStore,
  audience: readonly string[],
  logger: Logger,
): void {
  const look = () => {
    if (trust.check() === undefined && audience.length === 0 && trust.audience.length === 0) {
      warnOnce(
        logger,
        "no audience is set, so a request captured by another server can be played to this one. " +
          "Name this server's hosts: amesh.verify({ audience }), AMESH_AUDIENCE, or `amesh init --audience`.",
      );
    }
  };
  // What fails here fails again for the first request, and is reported then.
  ready()
    .then(look)
    .catch(() => {});
}
