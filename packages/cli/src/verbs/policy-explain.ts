import type { ConditionTrace, PolicyTrace, RuleTrace } from "@authmesh/oath";
import { loadPolicy, parsePolicyInput, toPolicyInput, type WrittenInput } from "@authmesh/oath/node";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";
import { readPolicyText } from "../policy-source.js";
import type { Terminal } from "../terminal/terminal.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

const members = {
  subject: "who calls: svc://billing/worker",
  action: "what is about to be done: orders.write",
  issuer: "who issued the token",
  audience: "for whom the token is",
  env: "environment of the token",
  tenant: "tenant of the token",
  method: "method of the request",
  path: "path of the request, as it is sent",
  time: "2026-01-31T08:00:00Z (default now)",
} as const;

const sourceMembers = {
  "source-type": "type",
  "source-repository": "repository",
  "source-ref": "ref",
  "source-workflow": "workflow",
  "source-environment": "environment",
} as const;

const options: readonly OptionManual[] = [
  {
    flags: "--input FILE",
    about: "what is asked, in YAML or JSON; - for standard input. Options come on top",
  },
  ...Object.entries(members).map(([name, about]) => ({ flags: `--${name} ${name.toUpperCase()}`, about })),
  { flags: "--scope SCOPE", about: "a scope of the token", repeatable: true },
  ...Object.entries(sourceMembers).map(([name, member]) => ({
    flags: `--${name} ${member.toUpperCase()}`,
    about: `${member} of the token's source`,
  })),
];

export const verb: Verb = {
  manual: {
    description: [
      "Asks a policy one question, and shows every rule up to the one that decides: each condition that was looked at, what it expects and what it found. What is not given is empty or absent, and matches only what matches anything.",
    ],
    arguments: [{ name: "FILE", about: "the policy, a file or a folder" }],
    options,
    examples: [
      ["amesh policy explain policy.yaml --subject svc://ci/deploy --action orders.write", "one question"],
      [
        "amesh policy explain policies/ --input denied.json --env staging",
        "a question from a file, and a change to it",
      ],
    ],
    exit: [
      ["0", "allowed"],
      ["1", "the policy or the input cannot be used"],
      ["2", "an option cannot be read"],
      ["3", "denied"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [file = ""] = call.args;
    const input = toPolicyInput(await readInput(call), unixSeconds());
    const { engine } = await loadPolicy(file);
    const trace = engine.explain(input);
    terminal.answer({ ...trace, digest: engine.digest }, () => describe(terminal, trace));
    return trace.decision.allowed ? 0 : 3;
  },
};

async function readInput(call: Call): Promise<WrittenInput> {
  const file = call.text("input");
  const given: WrittenInput = file === undefined ? {} : await readInputFile(file);
  const source = { ...given.source, ...textsOf(call, sourceMembers) };
  const written = {
    ...given,
    ...textsOf(call, Object.fromEntries(Object.keys(members).map((name) => [name, name]))),
    ...(call.has("scope") && { scope: call.list("scope") }),
    ...(Object.keys(source).length > 0 && { source }),
  };
  return parsePolicyInput(JSON.stringify(written), "json");
}

async function readInputFile(file: string): Promise<WrittenInput> {
  const { text, format } = await readPolicyText(file);
  return parsePolicyInput(text, format, file);
}

/** The options that were given, under the names of the members they are for. */
const textsOf = (call: Call, names: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(names).flatMap(([option, member]) => {
      const text = call.text(option);
      return text === undefined ? [] : [[member, text]];
    }),
  );

function describe({ paint }: Terminal, { decision, rules }: PolicyTrace): string {
  const verdict = decision.allowed ? paint("green", "ALLOW") : paint("red", "DENY");
  return [`${verdict}  ${decision.reason}`, ...rules.map(describeRule)].join("\n\n");
}

function describeRule({ rule, effect, matched, conditions }: RuleTrace): string {
  const head = `${rule} (${effect}) ${matched ? "matches" : "does not match"}`;
  const rows = conditions.length === 0 ? ["  it matches everything"] : conditions.map(describeCondition);
  return [head, ...rows].join("\n");
}

const describeCondition = ({ field, expected, actual, holds }: ConditionTrace): string =>
  `  ${holds ? "yes" : "no "}  ${field}: ${actual === undefined || actual === "" ? "absent" : actual}; expected ${expected}`;
