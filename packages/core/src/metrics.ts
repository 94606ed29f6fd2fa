/** What is counted under one name. */
export type MetricFamily = Series | Histogram;

interface Labelled {
  readonly help: string;
  /**
   * Names of labels whose values a configuration gives, and no caller: each set of them is a series that is told once it has
   * a value.
   */
  readonly labels?: readonly string[];
}

interface Series extends Labelled {
  readonly type: "counter" | "gauge";
  /** The label's name and all its values: a caller can add none. */
  readonly label?: readonly [name: string, values: readonly string[]];
  /** Only series that have a value are told; else each is there before it first counts. */
  readonly sparse?: true;
}

interface Histogram extends Labelled {
  readonly type: "histogram";
  /** Upper ends of the buckets, rising. */
  readonly ends: readonly number[];
}

type Families = Readonly<Record<string, MetricFamily>>;
type NamesOf<F extends Families, Kind> = {
  [Name in keyof F & string]: F[Name] extends Kind ? Name : never;
}[keyof F & string];
type LabelOf<Family> = Family extends { readonly label: readonly [string, readonly (infer Value)[]] }
  ? Value
  : Family extends { readonly labels: infer Names extends readonly string[] }
    ? { readonly [Index in keyof Names]: string }
    : "";
type LabelArguments<Family> = LabelOf<Family> extends "" ? [] : [label: LabelOf<Family>];

/** Counts, and what they look like to Prometheus (text format 0.0.4). No series comes to be by what a caller sent. */
export class Metrics<F extends Families> {
  readonly #prefix: string;
  readonly #families: F;
  /** By name, and then by the labels as they are told. */
  readonly #values = new Map<string, Map<string, number>>();
  readonly #observed = new Map<string, Map<string, Observed>>();

  /** @param prefix what each name begins with: "amesh_relay_" */
  constructor(prefix: string, families: F) {
    this.#prefix = prefix;
    this.#families = families;
    for (const [name, family] of Object.entries<MetricFamily>(families)) {
      if (family.type !== "histogram") this.#values.set(name, new Map());
      else this.#observed.set(name, new Map(family.labels ? [] : [["", new Observed(family.ends)]]));
    }
  }

  /** @param label its value; of several `labels` one for each; "" for a name without any */
  add<Name extends NamesOf<F, Series>>(name: Name, label: LabelOf<F[Name]>, by = 1): void {
    const key = told(this.#families[name], label);
    const series = this.#values.get(name);
    series?.set(key, (series.get(key) ?? 0) + by);
  }

  /** @param label its value; of several `labels` one for each; "" for a name without any */
  set<Name extends NamesOf<F, Series>>(name: Name, label: LabelOf<F[Name]>, value: number): void {
    this.#values.get(name)?.set(told(this.#families[name], label), value);
  }

  /** Forgets all series of a name, as what they were about may be gone. */
  clear(name: NamesOf<F, Series>): void {
    this.#values.get(name)?.clear();
  }

  observe<Name extends NamesOf<F, Histogram>>(
    name: Name,
    value: number,
    ...label: LabelArguments<F[Name]>
  ): void {
    const family = this.#families[name] as Histogram;
    const key = told(family, label[0] ?? "");
    const series = this.#observed.get(name);
    if (series?.has(key) === false) series.set(key, new Observed(family.ends));
    series?.get(key)?.add(value);
  }

  render(): string {
    return `${[...this.#lines()].join("\n")}\n`;
  }

  *#lines(): Iterable<string> {
    for (const [name, family] of Object.entries<MetricFamily>(this.#families)) {
      const fullName = `${this.#prefix}${name}`;
      yield `# HELP ${fullName} ${family.help}`;
      yield `# TYPE ${fullName} ${family.type}`;
      if (family.type !== "histogram") yield* this.#series(name, fullName, family);
      else for (const [key, each] of this.#observed.get(name) ?? []) yield* each.lines(fullName, key);
    }
  }

  *#series(name: string, fullName: string, family: Series): Iterable<string> {
    const counts = this.#values.get(name) ?? new Map<string, number>();
    const { label: [, values] = ["", [""]], labels, sparse } = family;
    for (const key of labels === undefined ? values.map((value) => told(family, value)) : counts.keys()) {
      const count = counts.get(key);
      if (count === undefined && sparse) continue;
      yield `${fullName}${key === "" ? "" : `{${key}}`} ${count ?? 0}`;
    }
  }
}

/** Labels as they are told, without the braces. */
function told(family: MetricFamily | undefined, label: string | readonly string[]): string {
  const names = family?.labels ?? (family?.type !== "histogram" && family?.label ? [family.label[0]] : []);
  const values = [label].flat();
  return names.map((name, i) => `${name}="${escaped(values[i] ?? "")}"`).join(",");
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };
const escaped = (text: string): string => text.replace(/[\\"\n]/g, (character) => escapes[character] ?? "");

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

  /** @param labels as they are told, without the braces */
  *lines(name: string, labels: string): Iterable<string> {
    const before = labels === "" ? "" : `${labels},`;
    const alone = labels === "" ? "" : `{${labels}}`;
    let upToHere = 0;
    for (const { end, count } of this.#buckets) {
      upToHere += count;
      yield `${name}_bucket{${before}le="${end}"} ${upToHere}`;
    }
    yield `${name}_bucket{${before}le="+Inf"} ${this.#count}`;
    yield `${name}_sum${alone} ${this.#sum}`;
    yield `${name}_count${alone} ${this.#count}`;
  }
}
