/**
 * Decisions as OpenTelemetry sees them: two instruments, and attributes on the span that is active. And how that is which
 * they are made by: the copies of trust feeds, and what a fleet revokes.
 *
 * @module
 */
import type { Decision } from "@authmesh/core";
import type { TokenDecision } from "@authmesh/oath";
import { type Attributes, type MeterProvider, metrics, trace } from "@opentelemetry/api";
import type { DecidedRequest } from "./verify-options.js";

export { type TrustMetricsOptions, trustMetrics } from "./trust-metrics.js";

export interface OpenTelemetryOptions {
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
}

/** Seconds. A verification takes a tenth of a millisecond; what takes longer waits for a body or a store. */
const buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** What OpenTelemetry calls a method that it does not know ("http.request.method"). */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]);

/**
 * A listener for `onDecision`, of devices or of tokens, that counts and times verifications, and tells the active span of each.
 *
 * - `authmesh.verifications`, a counter, and `authmesh.verification.duration`, a histogram in seconds, each with
 *   `authmesh.outcome` ("allowed" or "refused"), `http.request.method`, and for a refusal `error.type`, the code
 *   of the catalogue. Nothing a caller chooses becomes a metric's attribute.
 * - On the span: `authmesh.outcome`, `authmesh.decision.id`, and of a caller that proved itself `authmesh.caller.kind`,
 *   `authmesh.caller.id` and `authmesh.caller.name`, of a token "token" and its subject; for a refusal `error.type` and `authmesh.step`.
 *
 * @example
 * app.use(amesh.verify({ onDecision: openTelemetry() }));
 */
export function openTelemetry(
  options: OpenTelemetryOptions = {},
): (decision: Decision | TokenDecision, request: DecidedRequest) => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@authmesh/sdk");
  const count = meter.createCounter("authmesh.verifications", {
    description: "Requests whose proof was looked at.",
    unit: "{verification}",
  });
  const duration = meter.createHistogram("authmesh.verification.duration", {
    description: "From the request's headers to the decision, the wait for its body included.",
    unit: "s",
    advice: { explicitBucketBoundaries: buckets },
  });

  return (decision, request) => {
    const outcome: Attributes = decision.allowed
      ? { "authmesh.outcome": "allowed" }
      : { "authmesh.outcome": "refused", "error.type": decision.failure.code };
    const method = methods.has(request.method) ? request.method : "_OTHER";
    const attributes = { ...outcome, "http.request.method": method };
    count.add(1, attributes);
    duration.record(request.durationMs / 1000, attributes);
    trace.getActiveSpan()?.setAttributes({
      ...outcome,
      "authmesh.decision.id": decision.id,
      ...(decision.allowed ? callerOf(decision) : { "authmesh.step": stepOf(decision) }),
    });
  };
}

type Allowed = Extract<Decision | TokenDecision, { allowed: true }>;
type Refused = Extract<Decision | TokenDecision, { allowed: false }>;

function callerOf({ caller }: Allowed): Attributes {
  const { kind, id, name } =
    "principal" in caller
      ? { kind: "token", id: caller.principal.subject, name: caller.principal.subject }
      : caller;
  return { "authmesh.caller.kind": kind, "authmesh.caller.id": id, "authmesh.caller.name": name };
}

const stepOf = (decision: Refused): string =>
  "step" in decision ? decision.step : String(decision.failure.step);
