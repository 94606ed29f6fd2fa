import { type CompiledRule, type TextField, textFields } from "./compile-rule.js";
import type { Glob } from "./glob.js";
import type { PolicyInput } from "./policy-engine.js";

/**
 * Finds the rules that an input could match without asking all of them. Each rule is filed under one of its
 * conditions: under the text it asks for, or the whole segments its pattern begins with.
 */
export class RuleIndex {
  readonly #drawers: readonly Drawer[];
  /** Rules that no condition tells apart from others. */
  readonly #rest: readonly number[];

  constructor(rules: readonly CompiledRule[]) {
    const filings = rules.map((rule) => filingsOf(rule));
    const crowds = new Map<string, number>();
    for (const { name, keys } of filings.flat())
      for (const key of keys) crowds.set(name + key, (crowds.get(name + key) ?? 0) + 1);
    const crowd = ({ name, keys }: Filing) =>
      keys.reduce((sum, key) => sum + (crowds.get(name + key) as number), 0);

    const drawers = new Map(textFields.map((field) => [field.name, new Drawer(field)]));
    const rest: number[] = [];
    for (const [id, choices] of filings.entries()) {
      const best = choices.reduce<Filing | undefined>(
        (best, filing) => (best === undefined || crowd(filing) < crowd(best) ? filing : best),
        undefined,
      );
      if (best === undefined) rest.push(id);
      else for (const key of best.keys) drawers.get(best.name)?.file(key, id);
    }
    this.#drawers = [...drawers.values()].filter((drawer) => !drawer.isEmpty);
    this.#rest = rest;
  }

  /** Lists of places of rules, each ascending; every rule that matches is in one of them. */
  find(input: PolicyInput): readonly (readonly number[])[] {
    const found: (readonly number[])[] = [this.#rest];
    for (const drawer of this.#drawers) drawer.find(input, found);
    return found;
  }
}

interface Filing {
  readonly name: string;
  readonly keys: readonly string[];
}

function filingsOf({ conditions }: CompiledRule): readonly Filing[] {
  return conditions.flatMap(({ indexable }) => {
    if (indexable === undefined) return [];
    const { field, globs } = indexable;
    const keys = [...new Set(globs.map((glob) => keyOf(glob, field.separator)))];
    return keys.includes("") ? [] : [{ name: field.name, keys }];
  });
}

const keyOf = ({ exact, prefix }: Glob, separator: string): string =>
  exact ? prefix : prefix.slice(0, prefix.lastIndexOf(separator) + 1);

/** The rules that are filed under one field. */
class Drawer {
  readonly #field: TextField;
  readonly #rules = new Map<string, number[]>();
  #longest = 0;

  constructor(field: TextField) {
    this.#field = field;
  }

  get isEmpty(): boolean {
    return this.#rules.size === 0;
  }

  file(key: string, id: number): void {
    const filed = this.#rules.get(key);
    if (filed === undefined) this.#rules.set(key, [id]);
    else filed.push(id);
    this.#longest = Math.max(this.#longest, key.length);
  }

  find(input: PolicyInput, found: (readonly number[])[]): void {
    const text = this.#field.read(input);
    if (text === undefined) return;
    this.#look(text, found);
    const { separator } = this.#field;
    for (let end = text.indexOf(separator) + 1; end > 0; end = text.indexOf(separator, end) + 1) {
      if (end > this.#longest) return;
      if (end < text.length) this.#look(text.slice(0, end), found);
    }
  }

  #look(key: string, found: (readonly number[])[]): void {
    const filed = this.#rules.get(key);
    if (filed !== undefined) found.push(filed);
  }
}
