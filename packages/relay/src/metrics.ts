import { type RelayClosing, type RelayErrorCode, relayErrorCodes } from "@authmesh/core";

/** Why a connection was turned away: an error of section 6, or a web page that may not be here. */
export type Refusal = RelayErrorCode | "origin_refused";

/** How a session ended. */
export type Outcome = Extract<
  RelayClosing,
  "done" | "peer_left" | "session_expired" | "otc_expired" | "relay_closing"
>;

/** Why a socket was ended without a word. */
export type DropReason = "silent" | "slow_reader" | "flooding";

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** The label's name and all its values, so that a series is there before it first counts. */
  readonly label?: readonly [name: string, values: readonly string[]];
}

const families = {
  sockets: { type: "gauge", help: "WebSockets open now." },
  sessions: { type: "gauge", help: "Sessions now.", label: ["state", ["waiting", "paired"]] },
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
} as const satisfies Readonly<Record<string, Family>>;

type FamilyName = keyof typeof families;
type LabelOf<Name extends FamilyName> = (typeof families)[Name] extends {
  readonly label: readonly [string, readonly (infer Value)[]];
}
  ? Value
  : "";

/** Counts, and what they look like to Prometheus (text format 0.0.4). */
export class Metrics {
  readonly #values = new Map<string, number>();

  add<Name extends FamilyName>(name: Name, label: LabelOf<Name>, by = 1): void {
    this.set(name, label, (this.#values.get(`${name} ${label}`) ?? 0) + by);
  }

  set<Name extends FamilyName>(name: Name, label: LabelOf<Name>, value: number): void {
    this.#values.set(`${name} ${label}`, value);
  }

  render(): string {
    const lines: string[] = [];
    for (const [name, family] of Object.entries<Family>(families)) {
      const fullName = `amesh_relay_${name}`;
      lines.push(`# HELP ${fullName} ${family.help}`, `# TYPE ${fullName} ${family.type}`);
      const [label, values] = family.label ?? ["", [""]];
      for (const value of values) {
        const series = label === "" ? fullName : `${fullName}{${label}="${value}"}`;
        lines.push(`${series} ${this.#values.get(`${name} ${value}`) ?? 0}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}
