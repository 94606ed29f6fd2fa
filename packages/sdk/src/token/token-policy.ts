import type { Failure } from "@authmesh/core";
import type { PolicyEngine } from "@authmesh/oath";
import type { PolicyEvent } from "@authmesh/oath/node";
import { machine } from "#machine";
import type { Logger } from "../logger.js";

/** What decides on tokens that passed every other step, and when it is there. */
interface TokenPolicy {
  readonly policy: PolicyEngine | "none" | undefined;
  /** Resolves, never rejects. */
  readonly ready?: () => Promise<void>;
  /** Why it cannot decide. */
  readonly check?: () => Failure | undefined;
  /** Follows it no more. */
  readonly close?: () => void;
}

/**
 * The policy that an option names. Without one nobody is let in, and the log says so.
 *
 * @param onEvent told of every policy that is taken or refused while a path is followed
 * @throws TypeError for a path on a machine without files
 */
export function tokenPolicy(
  policy: PolicyEngine | string | undefined,
  logger: Logger,
  onEvent: (event: PolicyEvent) => void,
): TokenPolicy {
  if (policy === undefined) {
    logger.error(
      "no policy is given, so every token is refused: verifyToken({ policy }) takes a policy, " +
        'or "none" to let every verified token in.',
    );
    return { policy };
  }
  if (policy === "none" || typeof policy !== "string") return { policy };
  const local = machine.localPolicy(policy, logger, onEvent);
  return {
    policy: local,
    ready: () => local.ready(),
    check: () => local.check(),
    close: () => local.close(),
  };
}
