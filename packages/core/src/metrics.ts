/** What is counted under one name. */
export type MetricFamily = Series | Histogram;

interface Series {
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** The label's name and all its values: a caller can add none. */
  readonly label?: readonly [name: string, values: readonly string[]];
  /** Only series that have a value are told; else each is there before it first counts. */
  readonly sparse?: true;
}

interface Histogram {
  readonly type: "histogram";
  readonly help: string;
  /** Upper ends of the buckets, rising. */
  readonly ends: readonly number[];
}

type Families = Readonly<Record<string, MetricFamily>>;
type NamesOf<F extends Families, Kind> = {
  [Name in keyof F & string]: F[Name] extends Kind ? Name : never;
}[keyof F & string];
type LabelOf<Family> = Family extends { readonly label: readonly [string, readonly (infer Value)[]] }
  ? Value
  : "";

/** Counts, and what they look like to Prometheus (text format 0.0.4). Every series is one of a list written beforehand. */
export class Metrics<F extends Families> {
  readonly #prefix: string;
  readonly #families: F;
  readonly #values = new Map<string, number>();
  readonly #observed = new Map<string, Observed>();

  /** @param prefix what each name begins with: "amesh_relay_" */
  constructor(prefix: string, families: F) {
    this.#prefix = prefix;
    this.#families = families;
    for (const [name, family] of Object.entries<MetricFamily>(families))
      if (family.type === "histogram") this.#observed.set(name, new Observed(family.ends));
  }

  /** @param label its value; "" for a name without one */
  add<Name extends NamesOf<F, Series>>(name: Name, label: LabelOf<F[Name]>, by = 1): void {
    this.set(name, label, (this.#values.get(`${name} ${label}`) ?? 0) + by);
  }

  /** @param label its value; "" for a name without one */
  set<Name extends NamesOf<F, Series>>(name: Name, label: LabelOf<F[Name]>, value: number): void {
    this.#values.set(`${name} ${label}`, value);
  }

  observe(name: NamesOf<F, Histogram>, value: number): void {
    this.#observed.get(name)?.add(value);
  }

  render(): string {
    return `${[...this.#lines()].join("\n")}\n`;
  }

  *#lines(): Iterable<string> {
    for (const [name, family] of Object.entries<MetricFamily>(this.#families)) {
      const fullName = `${this.#prefix}${name}`;
      yield `# HELP ${fullName} ${family.help}`;
      yield `# TYPE ${fullName} ${family.type}`;
      if (family.type === "histogram") yield* this.#observed.get(name)?.lines(fullName) ?? [];
      else yield* this.#series(name, fullName, family);
    }
  }

  *#series(name: string, fullName: string, { label: [label, values] = ["", [""]], sparse }: Series) {
    for (const value of values) {
      const count = this.#values.get(`${name} ${value}`);
      if (count === undefined && sparse) continue;
      yield `${fullName}${label === "" ? "" : `{${label}="${value}"}`} ${count ?? 0}`;
    }
  }
}

/** How often a value fell into each bucket. */
class Observed {
  readonly #buckets: { readonly end: number; count: number }[];
  #count = 0;
  #sum = 0;

  constructor(ends: readonly number[]) {
    this.#buckets = ends.map((end) => ({ end, count: 0 }));
  }

  add(value: number): void {
    this.#count++;
    this.#sum += value;
    const first = this.#buckets.find(({ end }) => value <= end);
    if (first !== undefined) first.count++;
  }

  *lines(name: string): Iterable<string> {
    let upToHere = 0;
    for (const { end, count } of this.#buckets) {
      upToHere += count;
      yield `${name}_bucket{le="${end}"} ${upToHere}`;
    }
    yield `${name}_bucket{le="+Inf"} ${this.#count}`;
    yield `${name}_sum ${this.#sum}`;
    yield `${name}_count ${this.#count}`;
  }
}
