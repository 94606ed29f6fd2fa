import { catalogue } from "@authmesh/core";

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** The label's name and all its values: a caller can add none. */
  readonly label?: readonly [name: string, values: readonly string[]];
  /** Only series that have a value are told. */
  readonly sparse?: true;
}

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
} as const satisfies Readonly<Record<string, Family>>;

type FamilyName = keyof typeof families;

/** Upper ends in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;

/** Counts, and what they look like to Prometheus (text format 0.0.4). Every series is one of a list written here. */
export class Metrics {
  readonly #values = new Map<string, number>();
  readonly #durations = buckets.map(() => 0);
  #count = 0;
  #sum = 0;

  add(name: FamilyName, label = "", by = 1): void {
    this.set(name, (this.#values.get(`${name} ${label}`) ?? 0) + by, label);
  }

  set(name: FamilyName, value: number, label = ""): void {
    this.#values.set(`${name} ${label}`, value);
  }

  /** How long a request for a token took, refused or not. */
  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    const first = buckets.findIndex((end) => seconds <= end);
    if (first !== -1) this.#durations[first] = (this.#durations[first] ?? 0) + 1;
  }

  render(): string {
    return `${[...this.#renderFamilies(), ...this.#renderDurations()].join("\n")}\n`;
  }

  *#renderFamilies(): Iterable<string> {
    for (const [name, { type, help, label, sparse }] of Object.entries<Family>(families)) {
      yield* head(name, type, help);
      for (const value of label?.[1] ?? [""]) {
        const count = this.#values.get(`${name} ${value}`);
        if (count === undefined && sparse) continue;
        const series = label === undefined ? "" : `{${label[0]}="${value}"}`;
        yield `amesh_authority_${name}${series} ${count ?? 0}`;
      }
    }
  }

  *#renderDurations(): Iterable<string> {
    const name = "token_request_seconds";
    yield* head(name, "histogram", "How long requests for tokens took.");
    let sum = 0;
    for (const [index, end] of buckets.entries()) {
      sum += this.#durations[index] ?? 0;
      yield `amesh_authority_${name}_bucket{le="${end}"} ${sum}`;
    }
    yield `amesh_authority_${name}_bucket{le="+Inf"} ${this.#count}`;
    yield `amesh_authority_${name}_sum ${this.#sum}`;
    yield `amesh_authority_${name}_count ${this.#count}`;
  }
}

const head = (name: string, type: string, help: string): readonly string[] => [
  `# HELP amesh_authority_${name} ${help}`,
  `# TYPE amesh_authority_${name} ${type}`,
];
