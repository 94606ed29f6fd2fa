import { type JsonValue, quoteForeign } from "@authmesh/core";
import { integer, Misfit, oneOf, optional, type Reader, record, text } from "@authmesh/core/records";
import { compileGlob, defaultLife, longestLife } from "@authmesh/oath";

/** What a device asks for. `subject` is filled in by now. */
export interface MintQuestion {
  /** The caller's device id. */
  readonly caller: string;
  readonly subject: string;
  readonly audience: string;
  readonly action: string;
  readonly scope: readonly string[];
  readonly env?: string | undefined;
  readonly ttl?: number | undefined;
  /** Whether the token is to be bound to one request, and to a key. */
  readonly hasRequestHash: boolean;
  readonly hasProof: boolean;
}

/** What the rules say: granted by one of them, or why not. */
export type MintVerdict =
  | { readonly granted: true; readonly rule: string; readonly ttl: number }
  | { readonly granted: false; readonly detail: string; readonly fix: string };

/** Decides on every question; the first rule whose conditions all hold grants it. Nothing else does. */
export type MintRules = (question: MintQuestion) => MintVerdict;

/** Any device's own subject (docs/protocol.md, section 8). */
export const ownSubject = (deviceId: string): string => `svc://device/${deviceId}`;

const pattern = text(
  /^(?!.*\*\*\*)[\x21-\x3e\x40-\x5a\x5e-\x7a|~]{1,256}$/,
  "a pattern of ASCII, in which * and ** are the only wildcards",
);

/** One pattern, or several of which one has to fit. */
const patterns: Reader<readonly string[]> = (value: JsonValue, at: string) => {
  const values = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  if (values.length < 1 || values.length > 256)
    throw new Misfit(`${at} is not a pattern or a list of 1 to 256`);
  return values.map((one) => pattern(one, at));
};

const shape = record({
  name: text(/^[A-Za-z0-9][\w.-]{0,63}$/, "a name of letters, digits, _, . and -"),
  caller: patterns,
  subject: optional(patterns),
  audience: patterns,
  action: patterns,
  scope: optional(patterns),
  env: optional(patterns),
  ttl: optional(integer(1, longestLife)),
  request: optional(oneOf("bound")),
  proof: optional(oneOf("required")),
});

type MintRule = ReturnType<typeof shape>;

interface Condition {
  readonly field: string;
  holds(question: MintQuestion): boolean;
  /** What was asked, for whoever asked. */
  asked(question: MintQuestion): string;
}

interface CompiledRule {
  readonly name: string;
  readonly ttl: number;
  readonly isFor: (caller: string) => boolean;
  readonly conditions: readonly Condition[];
}

/** The rules of an authority's policy. @throws Misfit */
export const mintRules: Reader<MintRules> = (value: JsonValue, at: string) => {
  if (!Array.isArray(value) || value.length > 10_000)
    throw new Misfit(`${at} is not a list of at most 10000`);
  const rules = value.map((rule, index) => compile(shape(rule as JsonValue, `${at}[${index}]`)));
  const names = rules.map(({ name }) => name);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) throw new Misfit(`${at} has two rules ${quoteForeign(double)}`);
  return (question) => decide(rules, question);
};

function decide(rules: readonly CompiledRule[], question: MintQuestion): MintVerdict {
  const { caller, subject } = question;
  // Whatever a pattern lets through: nobody speaks for another device.
  if (subject.startsWith("svc://device/") && subject !== ownSubject(caller))
    return {
      granted: false,
      detail: `${quoteForeign(subject)} is the subject of that device alone.`,
      fix: "Leave sub out, or ask for a subject of your own.",
    };
  let nearest: { readonly rule: string; readonly missed: readonly Condition[] } | undefined;
  for (const { name, ttl, isFor, conditions } of rules) {
    if (!isFor(caller)) continue;
    const missed = conditions.filter((condition) => !condition.holds(question));
    if (missed.length === 0)
      return { granted: true, rule: name, ttl: question.ttl ?? Math.min(defaultLife, ttl) };
    if (nearest === undefined || missed.length < nearest.missed.length) nearest = { rule: name, missed };
  }
  if (nearest === undefined)
    return {
      granted: false,
      detail: `No rule of the policy is for the caller ${caller}.`,
      fix: `Add a rule under mint to the authority's policy: caller ${caller}, audience ${question.audience}, action ${question.action}.`,
    };
  const { rule, missed } = nearest;
  const what = missed.map((condition) => `${condition.field} ${condition.asked(question)}`).join(", ");
  const fields = missed.map(({ field }) => field).join(", ");
  return {
    granted: false,
    detail: `No rule grants it. Rule ${rule} comes nearest, and does not grant ${what}.`,
    fix: `Ask for what the rule grants, or change its ${fields} in the authority's policy.`,
  };
}

function compile(rule: MintRule): CompiledRule {
  const {
    name,
    caller,
    subject,
    audience,
    action,
    scope = [],
    env,
    ttl = longestLife,
    request,
    proof,
  } = rule;
  const isScope = anyOf(scope, ".");
  const conditions: readonly (Condition | undefined)[] = [
    subject === undefined
      ? {
          field: "subject",
          holds: (question) => question.subject === ownSubject(question.caller),
          asked: (question) => quoteForeign(question.subject),
        }
      : one("subject", subject, "/", (question) => question.subject),
    one("audience", audience, "/", (question) => question.audience),
    one("action", action, ".", (question) => question.action),
    {
      field: "scope",
      holds: (question) => question.scope.every(isScope),
      asked: (question) => quoteForeign(question.scope.find((name) => !isScope(name)) ?? ""),
    },
    {
      field: "env",
      holds: (question) => question.env === undefined || anyOf(env ?? [], "/")(question.env),
      asked: (question) => quoteForeign(question.env ?? ""),
    },
    {
      field: "ttl",
      holds: (question) => (question.ttl ?? 1) <= ttl,
      asked: (question) => `${question.ttl} s`,
    },
    request && { field: "request", holds: (question) => question.hasRequestHash, asked: () => "without rqh" },
    proof && { field: "proof", holds: (question) => question.hasProof, asked: () => "without cnf" },
  ];
  return {
    name,
    ttl,
    isFor: anyOf(caller, "/"),
    conditions: conditions.filter((condition) => condition !== undefined),
  };
}

function one(
  field: string,
  wanted: readonly string[],
  separator: string,
  read: (question: MintQuestion) => string,
): Condition {
  const fits = anyOf(wanted, separator);
  return {
    field,
    holds: (question) => fits(read(question)),
    asked: (question) => quoteForeign(read(question)),
  };
}

function anyOf(wanted: readonly string[], separator: string): (text: string) => boolean {
  const globs = wanted.map((each) => compileGlob(each, separator));
  return (text) => globs.some((glob) => glob.matches(text));
}
