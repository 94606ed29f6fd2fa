import { AmeshError, type JsonObject, type JsonValue } from "@authmesh/core";
import {
  also,
  formatProblem,
  listOf,
  oneOf,
  oneOrMore,
  problemsOf,
  record,
  type Shape,
  text,
  unseen,
} from "../document/shape.js";
import { isPlainPath } from "./plain-path.js";
import { isTimeZone, type RuleTime, secondsOf, weekdays } from "./time-window.js";

/** A policy as it is written (docs/protocol.md, section 8.8). */
export interface PolicyDocument {
  readonly version: 1;
  readonly rules: readonly PolicyRule[];
  /** For editors; says nothing. */
  readonly $schema?: string;
}

/** One pattern, or several of which one has to fit. */
export type Patterns = string | readonly string[];

/** Every condition has to hold. A rule without one says so: `match: "all"`. */
export interface PolicyRule {
  /** Appears once in the policy. */
  readonly name: string;
  readonly effect: "allow" | "deny";
  readonly description?: string;
  readonly match?: "all";
  readonly subject?: Patterns;
  readonly action?: Patterns;
  /** Each of these has to fit a scope of the token. */
  readonly scope?: Patterns;
  readonly issuer?: Patterns;
  readonly audience?: Patterns;
  readonly source?: RuleSource;
  readonly env?: Patterns;
  readonly tenant?: Patterns;
  /** Names in upper case, no patterns. */
  readonly method?: Patterns;
  readonly path?: Patterns;
  readonly time?: RuleTime;
}

export interface RuleSource {
  readonly type?: Patterns;
  readonly repository?: Patterns;
  readonly ref?: Patterns;
  readonly workflow?: Patterns;
  readonly environment?: Patterns;
}

/** Rules of a whole policy, all files of a folder together. */
export const maxRules = 10_000;
/** What a rule may be called, as a regular expression. */
export const ruleName = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";
const maxPatterns = 1000;

// What other languages of patterns give a meaning to is refused, so that nobody finds out late that here it has none.
const globCharacters = `[^${unseen}?\\[\\]{}\\\\]`;
const glob = (description: string, start = "") =>
  text(`^(?!!)(?!.*\\*\\*\\*)(?=${globCharacters}{1,256}$)${start}`, description);
const patterns = (item: Shape) => oneOrMore(item, maxPatterns);
const anyText = patterns(
  glob(
    "a pattern of 1 to 256 characters; `*` and `**` are the only wildcards, and ? [ ] { } \\ have no place in it",
  ),
);

const path = also(
  glob("a pattern of a path: it begins with a slash", "(?:/|\\*\\*$)"),
  {},
  (value, at, report) => {
    const example = (value as string).replaceAll("*", "x");
    if (value !== "**" && !isPlainPath(example))
      report({
        at,
        message: "can match no path: a path has no dot segments, `//`, `;`, or needless escapes.",
      });
  },
);

const anyRequired = (names: readonly string[]): JsonObject => ({
  anyOf: names.map((name) => ({ required: [name] })),
});

const source = record(
  { type: anyText, repository: anyText, ref: anyText, workflow: anyText, environment: anyText },
  { notEmpty: true },
);

const rfc3339 = also(
  text(
    "^\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)$",
    'a time such as "2026-01-31T08:00:00Z"',
  ),
  {},
  (value, at, report) => {
    if (Number.isNaN(secondsOf(value as string)))
      report({ at, message: "is a day that the calendar lacks." });
  },
);

const hours = also(
  text("^(?:[01]\\d|2[0-3]):[0-5]\\d-(?:(?:[01]\\d|2[0-3]):[0-5]\\d|24:00)$", 'hours such as "08:00-18:00"'),
  {},
  (value, at, report) => {
    const [from, to] = (value as string).split("-");
    if (from === to) report({ at, message: "begins when it ends." });
  },
);

const timezone = also(
  text("^[A-Za-z][A-Za-z0-9_+/-]{0,63}$", 'a time zone such as "Europe/Berlin"'),
  {},
  (value, at, report) => {
    if (!isTimeZone(value as string)) report({ at, message: `is no time zone known here: ${value}.` });
  },
);

const time = also(
  record(
    { notBefore: rfc3339, notAfter: rfc3339, days: oneOrMore(oneOf(...weekdays), 7), hours, timezone },
    { notEmpty: true },
  ),
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so
  { if: { required: ["timezone"] }, then: anyRequired(["days", "hours"]) },
  (value, at, report) => {
    const { notBefore, notAfter, days, hours, timezone } = value as RuleTime;
    if (timezone !== undefined && (days ?? hours) === undefined)
      report({ at: [...at, "timezone"], message: "means something only beside days or hours." });
    if (notBefore !== undefined && notAfter !== undefined && secondsOf(notBefore) > secondsOf(notAfter))
      report({ at, message: "ends before it begins." });
  },
);

/** The conditions of a rule, by the names of its members. */
export const conditionShapes = {
  subject: patterns(
    glob(
      "a pattern of a subject, such as svc://billing/**",
      "(?:\\*\\*$|(?:\\*|agent|svc|job|tool|user)://.)",
    ),
  ),
  action: anyText,
  scope: anyText,
  issuer: anyText,
  audience: anyText,
  source,
  env: anyText,
  tenant: anyText,
  method: patterns(text("^[A-Z]+(?:-[A-Z]+)*$", "the name of a method in upper case")),
  path: patterns(path),
  time,
} as const satisfies Readonly<Record<string, Shape>>;

const conditionNames = Object.keys(conditionShapes);

const rule = also(
  record(
    {
      name: text(ruleName, "a name of letters, digits, `_`, `.` and `-`, at most 64"),
      effect: oneOf("allow", "deny"),
      description: text(`^[^${unseen}]{0,1024}$`, "a line of at most 1,024 characters"),
      match: oneOf("all"),
      ...conditionShapes,
    },
    { required: ["name", "effect"] },
  ),
  {
    if: { required: ["match"] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so
    then: { not: anyRequired(conditionNames) },
    else: anyRequired(conditionNames),
  },
  (value, at, report) => {
    const isConditional = conditionNames.some((name) => Object.hasOwn(value as JsonObject, name));
    const isMatchAll = Object.hasOwn(value as JsonObject, "match");
    if (!isConditional && !isMatchAll)
      report({ at, message: "has no condition. If it is to match everything, say so: match: all." });
    if (isConditional && isMatchAll)
      report({ at: [...at, "match"], message: "stands beside conditions; it is for rules that have none." });
  },
);

/** What a policy document is. */
export const policyShape = also(
  record(
    { version: oneOf(1), rules: listOf(rule, maxRules), $schema: text("^[!-~]{1,2048}$", "an address") },
    { required: ["version", "rules"] },
  ),
  {},
  (value, _at, report) => {
    const names = new Set<string>();
    for (const [index, { name }] of (value as unknown as PolicyDocument).rules.entries()) {
      if (names.has(name))
        report({ at: ["rules", index, "name"], message: `is the name of another rule: ${name}.` });
      names.add(name);
    }
  },
);

/** The JSON Schema (2020-12) of a policy document; also `@authmesh/oath/policy-1.json`. */
export const policySchema: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://authmesh.dev/schema/policy-1.json",
  title: "amesh policy, version 1",
  ...policyShape.schema,
};

/** @throws AmeshError `policy_invalid` */
export function assertPolicyDocument(value: unknown): asserts value is PolicyDocument {
  const [first, ...more] = problemsOf(policyShape, value as JsonValue);
  if (first === undefined) return;
  const others = more.length === 0 ? "" : ` And ${more.length} more.`;
  throw new AmeshError("policy_invalid", `The policy cannot be used: ${formatProblem(first)}${others}`);
}
