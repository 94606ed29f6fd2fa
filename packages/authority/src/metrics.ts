import { catalogue } from "@authmesh/core";
import { type MetricFamily, Metrics } from "@authmesh/core/metrics";

const families = {
  tokens_total: { type: "counter", help: "Tokens given out, by how.", label: ["by", ["mint", "exchange"]] },
  refusals_total: {
    type: "counter",
    help: "Requests refused, by code.",
    label: ["code", Object.keys(catalogue)],
    sparse: true,
  },
  revocation_feed_behind_since_seconds: {
    type: "gauge",
    help: "Unix time since when Redis lacks some of the revocation list. 0: it has all.",
    sparse: true,
  },
  revocations_total: { type: "counter", help: "Changes of the revocation list made here." },
  rotations_total: {
    type: "counter",
    help: "Changes of the active key that this replica told the audit of.",
  },
  feed_connections: { type: "gauge", help: "Verifiers that are told of changes of a trust feed." },
  feed_deltas_total: { type: "counter", help: "Deltas of trust feeds that readers were told of." },
  feed_snapshot_bytes: { type: "gauge", help: "Size of the snapshot that was built last, packed." },
  feed_seen_timestamp_seconds: {
    type: "gauge",
    help: "Unix time when the database was asked last how far the trust feeds are.",
    sparse: true,
  },
  active_key_age_seconds: { type: "gauge", help: "How long the active key has been signing." },
  devices: { type: "gauge", help: "Devices that may call." },
  token_request_seconds: {
    type: "histogram",
    help: "How long requests for tokens took.",
    ends: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
} as const satisfies Readonly<Record<string, MetricFamily>>;

export type AuthorityMetrics = Metrics<typeof families>;

/** What `GET /metrics` tells. */
export const createAuthorityMetrics = (): AuthorityMetrics => new Metrics("amesh_authority_", families);
