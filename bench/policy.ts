/** Does a policy of 1,000 rules decide in less than 20 µs, how much does the index help, and what does Cedar take? */
import { compilePolicy, type PolicyDocument, type PolicyInput, type PolicyRule } from "@authmesh/oath";
import { cedarPolicy } from "@authmesh/oath/cedar";
import { compare, print } from "./compare.js";

const count = 1000;
const aimMicroseconds = 20;

/** What a fleet's policy looks like: most rules are about one team, a few about everybody. */
const rules = Array.from({ length: count }, (_, i): PolicyRule => {
  const name = `rule-${i}`;
  if (i % 100 === 0)
    return { name, effect: "deny", action: "**.delete", env: "prod", time: { days: ["sat", "sun"] } };
  if (i % 10 === 1)
    return { name, effect: "allow", source: { repository: `acme/repo-${i}`, ref: "refs/heads/*" } };
  return {
    name,
    effect: "allow",
    subject: `svc://team-${i}/**`,
    action: ["orders.*", "users.read"],
    audience: "*-api",
  };
});
/** The worst an index can meet: no rule begins with anything that tells it from the others. */
const unfiled = rules.map(
  ({ name }, i): PolicyRule => ({ name, effect: "allow", subject: `*://**/worker-${i}` }),
);

const asked = (team: number): PolicyInput => ({
  subject: `svc://team-${team}/worker`,
  action: "orders.write",
  scopes: ["orders:rw"],
  issuer: "https://issuer.example",
  audience: "orders-api",
  env: "prod",
  source: { type: "github-actions", repository: "acme/other", ref: "refs/heads/main" },
  method: "POST",
  path: "/orders",
  time: 1_800_000_000,
});
const inputs = Array.from({ length: 256 }, (_, i) => asked((i * 389) % (count + 50)));

const engine = compilePolicy(policy(rules));
const scan = scanner(rules);
const cedar = cedarPolicy(rules.map(inCedar).join("\n"));
for (const input of inputs) {
  const { allowed } = engine.decide(input);
  if (allowed !== scan(input) || allowed !== cedar.decide(input).allowed)
    throw new Error("the sides do not agree");
}

let turn = 0;
const next = () => inputs[turn++ & 255] as PolicyInput;

await compare({
  question: `A policy of ${count} rules`,
  ours: () => void engine.decide(next()),
  peer: () => void scan(next()),
  peerName: "RegExps, rule by rule",
  calls: 300,
});
await compare({
  question: `The same ${count} rules in Cedar`,
  ours: () => void engine.decide(next()),
  peer: () => void cedar.decide(next()),
  peerName: "cedar-wasm, policy by policy",
  calls: 10,
  rounds: 15,
});
const worst = compilePolicy(policy(unfiled));
const start = performance.now();
compilePolicy(policy(rules));
const compiled = performance.now() - start;
const typical = microseconds((input) => void engine.decide(input));
print("The time it takes", {
  "a decision, median": `${typical.toFixed(2)} µs`,
  aim: `under ${aimMicroseconds} µs`,
  met: typical < aimMicroseconds ? "yes" : "NO",
  "where no rule can be filed": `${microseconds((input) => void worst.decide(input)).toFixed(2)} µs`,
  "to compile it": `${compiled.toFixed(0)} ms`,
});

/** The peer: the same rules, every pattern a regular expression, one rule after the other. */
function scanner(rules: readonly PolicyRule[]): (input: PolicyInput) => boolean {
  const toRegExp = (pattern: string, separator: string) => {
    const wildcards = (wild: string) => (wild === "**" ? ".*" : `[^${separator}]*`);
    const source = pattern.replace(/[.+^$()|/]/g, "\\$&").replace(/\*\*|\*/g, wildcards);
    return new RegExp(`^${source}$`, "s");
  };
  const test = (patterns: string | readonly string[] | undefined, separator = "/") => {
    const expressions =
      patterns === undefined ? [] : [patterns].flat().map((one) => toRegExp(one, separator));
    return (text: string | undefined) =>
      patterns === undefined || (text !== undefined && expressions.some((one) => one.test(text)));
  };
  const ready = rules.map((rule) => ({
    allows: rule.effect === "allow",
    subject: test(rule.subject),
    action: test(rule.action, "."),
    audience: test(rule.audience),
    env: test(rule.env),
    repository: test(rule.source?.repository),
    ref: test(rule.source?.ref),
    days: rule.time?.days as readonly string[] | undefined,
  }));
  return ({ subject, action, audience, env, source, time }) => {
    const day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][
      new Date(time * 1000).getUTCDay()
    ] as string;
    const found = ready.find(
      (rule) =>
        rule.subject(subject) &&
        rule.action(action) &&
        rule.audience(audience) &&
        rule.env(env) &&
        rule.repository(source?.repository) &&
        rule.ref(source?.ref) &&
        (rule.days === undefined || rule.days.includes(day)),
    );
    return found?.allows ?? false;
  };
}

/**
 * The other peer: the same rules in Cedar. Its `*` stops nowhere, its forbid comes first, and it knows no days of the
 * week; none of it matters to these inputs.
 */
function inCedar({ name, effect, subject, action, audience, env, source }: PolicyRule): string {
  const fits = (value: string, patterns: string | readonly string[] | undefined) => {
    const one = (pattern: string) => `${value} like "${pattern.replaceAll("**", "*")}"`;
    return patterns === undefined ? [] : [`(${[patterns].flat().map(one).join(" || ")})`];
  };
  const conditions = [
    ...fits("context.subject", subject),
    ...fits("context.action", action),
    ...fits("context.audience", audience),
    ...fits("context.env", env),
    ...fits("context.source.repository", source?.repository),
    ...fits("context.source.ref", source?.ref),
  ];
  const head = `${effect === "allow" ? "permit" : "forbid"} (principal, action, resource)`;
  return `@id("${name}") ${head} when { ${conditions.join(" && ")} };`;
}

function policy(rules: readonly PolicyRule[]): PolicyDocument {
  return { version: 1, rules };
}

/** The median of rounds, in microseconds a call. */
function microseconds(decide: (input: PolicyInput) => void): number {
  const rounds = Array.from({ length: 61 }, () => {
    const start = performance.now();
    for (const input of inputs) decide(input);
    return ((performance.now() - start) / inputs.length) * 1000;
  });
  return rounds.slice(30).sort((a, b) => a - b)[15] as number;
}
