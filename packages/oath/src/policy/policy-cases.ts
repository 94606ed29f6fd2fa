import { also, listOf, oneOf, record, text, unseen } from "../document/shape.js";
import type { PolicyDecision, PolicyEngine, PolicyInput, PolicySource } from "./policy-engine.js";
import { type PolicyFormat, readText } from "./policy-text.js";
import { secondsOf } from "./time-window.js";

/** What is asked of a policy, as people write it. What is left out is empty or absent. */
export interface WrittenInput {
  readonly subject?: string;
  readonly action?: string;
  readonly scope?: readonly string[];
  readonly issuer?: string;
  readonly audience?: string;
  readonly source?: Partial<PolicySource>;
  readonly env?: string;
  readonly tenant?: string;
  readonly method?: string;
  readonly path?: string;
  /** RFC 3339. Default: now. */
  readonly time?: string;
}

/** One expectation. */
export interface PolicyCase {
  readonly name: string;
  readonly input: WrittenInput;
  readonly expect: "allow" | "deny";
  /** The rule that is to decide; "none" where no rule is to match. */
  readonly rule?: string;
}

/** A table of expectations, as `amesh policy test` runs it. */
export interface PolicyCases {
  readonly version: 1;
  /** What every case asks that does not say otherwise. */
  readonly defaults?: WrittenInput;
  readonly cases: readonly PolicyCase[];
}

export interface CaseResult {
  readonly name: string;
  readonly passed: boolean;
  readonly expected: { readonly effect: "allow" | "deny"; readonly rule?: string };
  readonly decision: PolicyDecision;
}

const anyText = text(`^[^${unseen}]{1,8192}$`, "a line of 1 to 8,192 characters");
const time = also(
  text(
    "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:Z|[+-]\\d\\d:\\d\\d)$",
    'a time such as "2026-01-31T08:00:00Z"',
  ),
  {},
  (value, at, report) => {
    if (Number.isNaN(secondsOf(value as string))) report({ at, message: "is no time." });
  },
);
const sourceNames = ["type", "repository", "ref", "workflow", "environment"];
const textNames = ["subject", "action", "issuer", "audience", "env", "tenant", "method", "path"];
const each = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, anyText]));

const input = record({
  ...each(textNames),
  scope: listOf(anyText, 1000),
  source: record(each(sourceNames)),
  time,
});

const cases = record(
  {
    version: oneOf(1),
    defaults: input,
    cases: listOf(
      record(
        { name: anyText, input, expect: oneOf("allow", "deny"), rule: anyText },
        { required: ["name", "input", "expect"] },
      ),
      10_000,
      1,
    ),
  },
  { required: ["version", "cases"] },
);

/** @throws AmeshError `policy_invalid` */
export const parsePolicyCases = (
  text: string,
  format: PolicyFormat,
  name = "The table of cases",
): PolicyCases => readText(text, format, cases, name);

/** One input alone. @throws AmeshError `policy_invalid` */
export const parsePolicyInput = (text: string, format: PolicyFormat, name = "The input"): WrittenInput =>
  readText(text, format, input, name);

/** @param now Unix seconds, for an input without a time */
export function toPolicyInput(written: WrittenInput, now: number): PolicyInput {
  const {
    subject = "",
    action = "",
    issuer = "",
    audience = "",
    scope = [],
    time,
    source,
    ...rest
  } = written;
  return {
    ...rest,
    subject,
    action,
    issuer,
    audience,
    scopes: scope,
    ...(source !== undefined && { source: { ...source, type: source.type ?? "" } }),
    time: time === undefined ? now : secondsOf(time),
  };
}

/** @param now Unix seconds, for cases without a time */
export function runPolicyCases(engine: PolicyEngine, table: PolicyCases, now: number): readonly CaseResult[] {
  return table.cases.map(({ name, input, expect, rule }) => {
    const decision = engine.decide(toPolicyInput({ ...table.defaults, ...input }, now));
    const passed =
      decision.allowed === (expect === "allow") && (rule === undefined || rule === (decision.rule ?? "none"));
    return { name, passed, expected: { effect: expect, ...(rule !== undefined && { rule }) }, decision };
  });
}
