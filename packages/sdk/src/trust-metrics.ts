import type { FeedStatus } from "@authmesh/oath/feed";
import { type Attributes, type BatchObservableResult, metrics } from "@opentelemetry/api";
import type { FleetStatus } from "./device-revocations.js";
import type { OpenTelemetryOptions } from "./opentelemetry.js";

export interface TrustMetricsOptions extends OpenTelemetryOptions {
  /** Gives the trust feeds: `feedStatuses` of `@authmesh/sdk/feed`, or the statuses of your own `followFeed`. Default: none. */
  readonly feeds?: () => readonly FeedStatus[];
  /** What a fleet revokes: a `RedisRevocations`. Default: none. */
  readonly fleet?: { readonly status: FleetStatus | undefined };
}

/**
 * Observes how old that is which verifiers decide by, whenever metrics are read. Called once a process.
 *
 * - `authmesh.trust.age`, a gauge in seconds: since a feed's copy, or what the fleet revokes, was last known to be the latest. Not
 *   told as long as it never was.
 * - `authmesh.trust.connected`, a gauge: 1 while changes are pushed to the copy, or the last attempt to read what the fleet
 *   revokes went well; else 0.
 * - `authmesh.trust.changes`, a counter of what was taken in: deltas and snapshots, or statements.
 *
 * Each with `authmesh.trust.source`, "feed" or "fleet", and of a feed `authmesh.authority` and `authmesh.feed`. What is refused for its age
 * counts in `authmesh.verifications` with `error.type` "trust_stale".
 *
 * @returns the way to stop that
 *
 * @example
 * const revocations = new RedisRevocations();
 * trustMetrics({ feeds: feedStatuses, fleet: revocations });
 */
export function trustMetrics(options: TrustMetricsOptions): () => void {
  const meter = (options.meterProvider ?? metrics).getMeter("@authmesh/sdk");
  const age = meter.createObservableGauge("authmesh.trust.age", {
    description: "Since what verifiers decide by was last known to be the latest.",
    unit: "s",
  });
  const connected = meter.createObservableGauge("authmesh.trust.connected", {
    description: "Whether changes arrive: 1 or 0.",
    unit: "1",
  });
  const changes = meter.createObservableCounter("authmesh.trust.changes", {
    description: "Changes that were taken in.",
    unit: "{change}",
  });
  const instruments = [age, connected, changes];

  const observe = (result: BatchObservableResult) => {
    for (const [status, attributes] of sources(options)) {
      if (Number.isFinite(status.ageSeconds)) result.observe(age, status.ageSeconds, attributes);
      result.observe(connected, Number(status.connected), attributes);
      result.observe(changes, status.applied, attributes);
    }
  };
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

function* sources({ feeds, fleet }: TrustMetricsOptions): Generator<readonly [FleetStatus, Attributes]> {
  for (const status of feeds?.() ?? []) {
    const { authority, feed } = status;
    yield [
      status,
      { "authmesh.trust.source": "feed", "authmesh.authority": authority, "authmesh.feed": feed },
    ];
  }
  if (fleet?.status !== undefined) yield [fleet.status, { "authmesh.trust.source": "fleet" }];
}
