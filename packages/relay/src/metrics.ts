import { type RelayClosing, type RelayErrorCode, relayErrorCodes } from "@authmesh/core";
import { type MetricFamily, Metrics } from "@authmesh/core/metrics";

/** Why a connection was turned away: an error of section 6, or a web page that may not be here. */
export type Refusal = RelayErrorCode | "origin_refused";

/** How a session ended. */
export type Outcome = Extract<
  RelayClosing,
  "done" | "peer_left" | "session_expired" | "otc_expired" | "relay_closing"
>;

/** Why a socket was ended without a word. */
export type DropReason = "silent" | "slow_reader" | "flooding";

/** What became of a challenge (section 6.8); those that are neither solved nor failed were left. */
export type ChallengeOutcome = "issued" | "solved" | "failed";

const families = {
  sockets: { type: "gauge", help: "WebSockets open now." },
  sessions: { type: "gauge", help: "Sessions now.", label: ["state", ["waiting", "paired"]] },
  sessions_across: { type: "gauge", help: "Sessions now whose other side is at another instance." },
  store_up: { type: "gauge", help: "Whether the Redis that instances share answers; 1 without one." },
  sockets_opened_total: { type: "counter", help: "WebSockets opened." },
  sessions_opened_total: { type: "counter", help: "Codes that began to wait." },
  sessions_paired_total: { type: "counter", help: "Sessions whose two sides found each other." },
  sessions_ended_total: {
    type: "counter",
    help: "Sessions that ended, by how.",
    label: [
      "outcome",
      ["done", "peer_left", "session_expired", "otc_expired", "relay_closing"] satisfies Outcome[],
    ],
  },
  challenges_total: {
    type: "counter",
    help: "Work asked for while the relay was hot, by what became of it.",
    label: ["outcome", ["issued", "solved", "failed"] satisfies ChallengeOutcome[]],
  },
  refusals_total: {
    type: "counter",
    help: "Sockets turned away or closed with an error, by code.",
    label: ["code", [...relayErrorCodes, "origin_refused"] satisfies Refusal[]],
  },
  sockets_dropped_total: {
    type: "counter",
    help: "Sockets ended without a word, by why.",
    label: ["reason", ["silent", "slow_reader", "flooding"] satisfies DropReason[]],
  },
  messages_forwarded_total: { type: "counter", help: "Handshake messages handed on." },
  bytes_forwarded_total: { type: "counter", help: "Payload bytes handed on." },
} as const satisfies Readonly<Record<string, MetricFamily>>;

export type RelayMetrics = Metrics<typeof families>;

/** What `GET /metrics` tells. */
export const createRelayMetrics = (): RelayMetrics => new Metrics("amesh_relay_", families);
