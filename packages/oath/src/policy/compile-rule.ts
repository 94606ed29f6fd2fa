import { compileGlob, type Glob } from "./glob.js";
import { isPlainPath } from "./plain-path.js";
import type { Patterns, PolicyRule } from "./policy-document.js";
import type { ConditionTrace, PolicyInput } from "./policy-engine.js";
import { compileTime } from "./time-window.js";

/** A rule, ready to be asked. All its conditions have to hold. */
export interface CompiledRule {
  readonly name: string;
  readonly effect: "allow" | "deny";
  readonly conditions: readonly Condition[];
}

export interface Condition {
  readonly field: string;
  readonly expected: string;
  holds(input: PolicyInput): boolean;
  /** As the input has it. */
  actual(input: PolicyInput): string | undefined;
  /** Where it asks for text that an index can find it by: what reads the text, and the patterns. */
  readonly indexable?: { readonly field: TextField; readonly globs: readonly Glob[] };
}

export interface TextField {
  readonly name: string;
  /** `*` stops at it. */
  readonly separator: string;
  read(input: PolicyInput): string | undefined;
  patterns(rule: PolicyRule): Patterns | undefined;
}

const textField = (
  name: string,
  read: TextField["read"],
  patterns: TextField["patterns"],
  separator = "/",
): TextField => ({ name, separator, read, patterns });

/** What an input says once. */
export const textFields: readonly TextField[] = [
  textField(
    "subject",
    (input) => input.subject,
    (rule) => rule.subject,
  ),
  textField(
    "action",
    (input) => input.action,
    (rule) => rule.action,
    ".",
  ),
  textField(
    "issuer",
    (input) => input.issuer,
    (rule) => rule.issuer,
  ),
  textField(
    "audience",
    (input) => input.audience,
    (rule) => rule.audience,
  ),
  textField(
    "env",
    (input) => input.env,
    (rule) => rule.env,
  ),
  textField(
    "tenant",
    (input) => input.tenant,
    (rule) => rule.tenant,
  ),
  ...(["type", "repository", "ref", "workflow", "environment"] as const).map((member) =>
    textField(
      `source.${member}`,
      ({ source }) => source?.[member],
      ({ source }) => source?.[member],
    ),
  ),
];

export function compileRule(rule: PolicyRule): CompiledRule {
  const conditions = [
    ...textFields.map((field) => textCondition(field, rule)),
    methodCondition(rule),
    pathCondition(rule),
    scopeCondition(rule),
    timeCondition(rule),
  ].filter((condition) => condition !== undefined);
  return { name: rule.name, effect: rule.effect, conditions };
}

/** The condition as it came out, for whoever wants to know why. */
export const traceCondition = (condition: Condition, input: PolicyInput): ConditionTrace => {
  const { field, expected } = condition;
  const actual = condition.actual(input);
  return { field, expected, ...(actual !== undefined && { actual }), holds: condition.holds(input) };
};

function textCondition(field: TextField, rule: PolicyRule): Condition | undefined {
  const wanted = field.patterns(rule);
  if (wanted === undefined) return undefined;
  const globs = listOf(wanted).map((pattern) => compileGlob(pattern, field.separator));
  const fits = anyOf(globs);
  return {
    field: field.name,
    expected: listOf(wanted).join(" or "),
    holds(input) {
      const text = field.read(input);
      return text !== undefined && fits(text);
    },
    actual: field.read,
    indexable: { field, globs },
  };
}

function methodCondition({ method }: PolicyRule): Condition | undefined {
  if (method === undefined) return undefined;
  const methods = listOf(method);
  return {
    field: "method",
    expected: methods.join(" or "),
    holds: (input) => input.method !== undefined && methods.includes(input.method),
    actual: (input) => input.method,
  };
}

/**
 * A path that could be read in two ways might be any path to the application: no rule that allows may take it for
 * its own, and every rule that denies has to.
 */
function pathCondition({ path, effect }: PolicyRule): Condition | undefined {
  if (path === undefined) return undefined;
  const fits = anyOf(listOf(path).map((pattern) => compileGlob(pattern, "/")));
  const denies = effect === "deny";
  return {
    field: "path",
    expected: listOf(path).join(" or "),
    holds: ({ path }) => path !== undefined && (isPlainPath(path) ? fits(path) : denies),
    actual: ({ path }) =>
      path === undefined || isPlainPath(path) ? path : `${path} (it can be read in two ways)`,
  };
}

function scopeCondition({ scope }: PolicyRule): Condition | undefined {
  if (scope === undefined) return undefined;
  const globs = listOf(scope).map((pattern) => compileGlob(pattern, "."));
  return {
    field: "scope",
    expected: listOf(scope).join(" and "),
    holds: ({ scopes }) => globs.every((glob) => scopes.some((granted) => glob.matches(granted))),
    actual: ({ scopes }) => (scopes.length === 0 ? undefined : scopes.join(", ")),
  };
}

function timeCondition({ time }: PolicyRule): Condition | undefined {
  if (time === undefined) return undefined;
  const fits = compileTime(time);
  return {
    field: "time",
    expected: Object.entries(time)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
    holds: (input) => fits(input.time),
    actual: (input) => new Date(input.time * 1000).toISOString(),
  };
}

const listOf = (patterns: Patterns): readonly string[] =>
  typeof patterns === "string" ? [patterns] : patterns;

/** Long lists are mostly of names, which one look-up finds. */
function anyOf(globs: readonly Glob[]): (text: string) => boolean {
  const [only] = globs;
  if (globs.length === 1 && only !== undefined) return only.matches;
  const exact = new Set(globs.filter((glob) => glob.exact).map((glob) => glob.prefix));
  const others = globs.filter((glob) => !glob.exact);
  return (text) => exact.has(text) || others.some((glob) => glob.matches(text));
}
