import { catalogue } from "@authmesh/core";
import { type MetricFamily, Metrics } from "@authmesh/core/metrics";

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const families = {
  requests_total: {
    type: "counter",
    help: "Requests that are over, by their route and how they ended: 1xx for WebSockets, 2xx to 5xx, or aborted.",
    labels: ["route", "outcome"],
  },
  refusals_total: {
    type: "counter",
    help: "Requests refused, by code.",
    label: ["code", Object.keys(catalogue)],
    sparse: true,
  },
  request_seconds: {
    type: "histogram",
    help: "How long requests took, from their headers to the end of the answer.",
    labels: ["route"],
    ends: seconds,
  },
  upstream_seconds: {
    type: "histogram",
    help: "How long upstreams took to the head of their answer.",
    labels: ["route"],
    ends: seconds,
  },
  in_flight: { type: "gauge", help: "Requests and WebSockets under way." },
  connections: { type: "gauge", help: "Connections of callers." },
  web_sockets: { type: "gauge", help: "WebSockets of callers." },
  upstream_pending: {
    type: "gauge",
    help: "Requests under way to a server of an upstream.",
    labels: ["upstream", "url"],
  },
  upstream_healthy: {
    type: "gauge",
    help: "Whether a server of an upstream passes its health check: 1 or 0.",
    labels: ["upstream", "url"],
  },
  spool_bytes: { type: "gauge", help: "Bytes of bodies that wait to be verified on disk." },
  config_reloads_total: {
    type: "counter",
    help: "Changes of the configuration, by what became of them.",
    label: ["result", ["taken", "refused"]],
  },
  trust_feed_age_seconds: {
    type: "gauge",
    help: "How long ago a copy of a trust feed was last known to be the latest.",
    labels: ["authority", "feed"],
  },
} as const satisfies Readonly<Record<string, MetricFamily>>;

export type GatewayMetrics = Metrics<typeof families>;

/** What `GET /metrics` tells. */
export const createGatewayMetrics = (): GatewayMetrics => new Metrics("amesh_gateway_", families);

/** How a request ended, by its status; undefined where no answer was sent. */
export const outcomeOf = (status: number | undefined): string =>
  status === undefined || status < 100 ? "aborted" : `${Math.floor(status / 100)}xx`;
