import { AmeshError, type ErrorCode, failure } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import type { RouteSettings, VerificationSettings } from "../config/settings.js";
import { failureAnswer } from "../failure-answer.js";
import type { Admitter } from "./admission.js";
import { routeGate } from "./route-gate.js";
import { SharedParts } from "./shared-parts.js";
import { openVerifiers } from "./verifiers.js";

export interface AdmitterOptions {
  readonly logger: Logger;
  /** Told of each request that is refused, for metrics. */
  readonly onRefused?: (code: ErrorCode) => void;
  /** The settings whose place these take: a memory that they do not share knows nothing of what was accepted by then. */
  readonly before?: VerificationSettings | undefined;
  /** What admitters have in common. Default: one for the process. */
  readonly parts?: SharedParts;
}

const partsOfThisProcess = new SharedParts();

/**
 * Verifies what the routes of one configuration require. Where the settings of an earlier admitter are the same, its memory of nonces, its
 * trust, feeds, keys, policies and audit go on to be used; so the next one is made before the last one is closed.
 *
 * @throws AmeshError `audit_unavailable`, `storage_failed` for an audit that cannot be written; TypeError for settings that make no
 *   sense
 */
export async function createAdmitter(
  settings: VerificationSettings,
  routes: readonly RouteSettings[],
  { logger, onRefused = () => {}, before, parts = partsOfThisProcess }: AdmitterOptions,
): Promise<Admitter> {
  const lease = parts.lease();
  try {
    const verifiers = await openVerifiers(settings, routes, { lease, logger, before });
    const gates = new Map(routes.map((route) => [route, routeGate(route, verifiers)]));
    return {
      async admit(request, route) {
        const gate = gates.get(route);
        // A route of another configuration is none here.
        if (gate === undefined) return { answer: failureAnswer(failure("no_route")) };
        const outcome = await gate(request);
        if (outcome.refused !== undefined) onRefused(outcome.refused);
        return outcome;
      },
      notReady() {
        const problem = verifiers.check();
        return problem && new AmeshError(problem);
      },
      close: () => lease.release(),
    };
  } catch (error) {
    await lease.release();
    throw error;
  }
}
