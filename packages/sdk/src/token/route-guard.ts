import { failure, LogThrottle, newDecisionId } from "@authmesh/core";
import type { OathMeshContext, TokenAllowed, TokenFailure, TokenRefused } from "@authmesh/oath";
import { consoleLogger } from "../logger.js";
import type { RefusalResponse } from "../refusal-response.js";
import { problemResponse } from "./problem-response.js";
import type { RouteRequirement } from "./route-requirement.js";

interface Admitted {
  readonly decision: TokenAllowed;
  /** Takes down that a route refused it after all. */
  readonly record: (refused: TokenRefused) => void;
}

/** Whom verifiers of this process let in. A context that an application made itself is not among them. */
const admitted = new WeakMap<object, Admitted>();

/** From now on routes may ask of this caller what they require. */
export function admit(decision: TokenAllowed, record: Admitted["record"]): void {
  admitted.set(decision.caller, { decision, record });
}

/**
 * Asks of a caller what a route requires.
 *
 * @param caller the context as the verifier made it
 * @returns the answer to a request that may not pass
 */
export function refusalOfRoute(
  requirement: RouteRequirement,
  caller: OathMeshContext | undefined,
): RefusalResponse | undefined {
  const found = caller === undefined ? undefined : admitted.get(caller);
  if (found === undefined) return unverified();
  const { decision, record } = found;
  const refusal = requirement(decision.caller);
  if (refusal === undefined) return undefined;
  const refused: TokenRefused = {
    allowed: false,
    id: newDecisionId(),
    steps: [...decision.steps, { step: "route", outcome: "refused" }],
    ...(decision.target === undefined ? {} : { target: decision.target }),
    failure: atRoute(refusal),
    claimed: { claims: decision.claims, verified: true },
  };
  record(refused);
  return problemResponse(refused);
}

/** A route's own requirement is the last part of policy. */
const atRoute = (refusal: Omit<TokenFailure, "step" | "error">): TokenFailure => ({
  ...refusal,
  step: 14,
  error: refusal.code,
});

const throttle = new LogThrottle<string>();

/** A mistake of the application's: nobody passes, whatever the request holds. */
function unverified(): RefusalResponse {
  const [id, mistake] = [newDecisionId(), failure("token_unverified")];
  if (throttle.admit(mistake.code, performance.now()) !== undefined)
    consoleLogger.error(`${mistake.code}: ${mistake.detail}`, { decision: id, fix: mistake.fix });
  return problemResponse({ id, failure: atRoute(mistake) });
}
