import cluster from "node:cluster";
import {
  checkAudience,
  createVerifier,
  type Decision,
  type IncomingRequest,
  InMemoryNonceStore,
  type NonceStore,
  type TrustStore,
} from "@authmesh/core";
import { audienceFromEnvironment } from "./audience-variable.js";
import { knownContentEncodings } from "./body/decoded-body.js";
import { LocalTrust } from "./local-trust.js";
import { consoleLogger, type Logger } from "./logger.js";
import { RefusalLog } from "./refusal-log.js";
import type { VerifyOptions } from "./verify-options.js";

/** Decides on requests for an adapter: the one verifier, fed from this machine, with log and callbacks. */
export interface RequestGuard {
  decide(request: IncomingRequest): Promise<Decision>;
}

/** @throws TypeError for options that make no sense */
export function createRequestGuard(options: VerifyOptions = {}): RequestGuard {
  const logger = options.logger ?? consoleLogger;
  const unknownEncoding = options.contentEncodings?.find(
    (encoding) => !knownContentEncodings.has(encoding.toLowerCase()),
  );
  if (unknownEncoding !== undefined) {
    throw new TypeError(
      `contentEncodings: ${unknownEncoding} is none of ${[...knownContentEncodings].join(", ")}.`,
    );
  }
  const audience = checkAudience(options.audience ?? audienceFromEnvironment());
  const { allowList } = options;
  const trust = typeof allowList === "object" ? allowList : new LocalTrust(allowList, logger);
  const verifier = createVerifier({
    ...options,
    audience,
    trust,
    nonces: options.nonceStore ?? memoryOfThisProcess(logger),
  });
  const refusals = new RefusalLog(logger);
  const ready = prepare(trust, audience, logger);

  return {
    async decide(request) {
      await ready();
      const decision = await verifier(request);
      if (!decision.allowed) refusals.write(decision, request.method, request.target);
      else
        for (const warning of decision.warnings) warnOnce(logger, `device ${decision.caller.id}: ${warning}`);
      report(options, decision, request, logger);
      return decision;
    },
  };
}

function report(options: VerifyOptions, decision: Decision, request: IncomingRequest, logger: Logger): void {
  try {
    options.onDecision?.(decision, { method: request.method, target: request.target });
  } catch (error) {
    logger.error("onDecision threw", { message: error instanceof Error ? error.message : String(error) });
  }
}

/** Opens the trust store at once, so that what is wrong is seen at start and not by the first caller. */
function prepare(trust: TrustStore, audience: readonly string[], logger: Logger): () => Promise<void> {
  const ready = async () => {
    if (trust instanceof LocalTrust) await trust.ready();
  };
  void ready().then(() => {
    if (trust.check() === undefined && audience.length === 0 && trust.audience.length === 0) {
      warnOnce(
        logger,
        "no audience is set, so a request captured by another server can be played to this one. " +
          "Name this server's hosts: amesh.verify({ audience }), AMESH_AUDIENCE, or `amesh init --audience`.",
      );
    }
  });
  return ready;
}

let shared: InMemoryNonceStore | undefined;

/** One store for all verifiers of the process, so that none accepts what another has seen. */
function memoryOfThisProcess(logger: Logger): NonceStore {
  if (cluster.isWorker || process.env["NODE_ENV"] === "production") {
    warnOnce(
      logger,
      "nonces are remembered in the memory of this process alone; if several instances serve one audience, " +
        "give them one store: amesh.verify({ nonceStore }).",
    );
  }
  shared ??= new InMemoryNonceStore();
  return shared;
}

const warned = new WeakMap<Logger, Set<string>>();
const mostWarnings = 1000;

function warnOnce(logger: Logger, message: string): void {
  const messages = warned.get(logger) ?? new Set();
  warned.set(logger, messages);
  if (messages.has(message) || messages.size >= mostWarnings) return;
  messages.add(message);
  logger.warn(message);
}
