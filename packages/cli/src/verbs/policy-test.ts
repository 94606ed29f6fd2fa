import { AmeshError } from "@authmesh/core";
import { type CaseResult, loadPolicy, parsePolicyCases, runPolicyCases } from "@authmesh/oath/node";
import { formatFinding } from "../finding.js";
import { readPolicyText } from "../policy-source.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Asks a policy what a table of expectations lists, and says where the answer is another one. The table is YAML or JSON: version: 1, cases with a name, an input, expect: allow or deny and, if it matters, the rule that is to decide (none: no rule). What all inputs share stands once, under defaults.",
      "An input has the members subject, action, scope, issuer, audience, source, env, tenant, method, path and time (2026-01-31T08:00:00Z; default now).",
    ],
    arguments: [{ name: "FILE", about: "the policy, a file or a folder" }],
    options: [{ flags: "--cases FILE", about: "the table of expectations; - for standard input" }],
    examples: [
      ["amesh policy test policy.yaml --cases policy-cases.yaml", "in the pipeline that ships the policy"],
    ],
    exit: [
      ["0", "every answer is the expected one"],
      ["1", "one is not, or the policy or the table cannot be used"],
      ["2", "no table was named"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [file = ""] = call.args;
    const source = call.text("cases");
    if (source === undefined)
      throw new AmeshError("input_required", "There is nothing to test with.", {
        fix: "Name a table of expectations: --cases FILE.",
      });
    const { text, format } = await readPolicyText(source);
    const table = parsePolicyCases(text, format, source);
    const { engine } = await loadPolicy(file);
    const results = runPolicyCases(engine, table, unixSeconds());
    const failed = results.filter(({ passed }) => !passed);
    terminal.answer({ passed: results.length - failed.length, failed: failed.length, cases: results }, () =>
      [
        ...failed.map((result) => formatFinding(terminal, { verdict: "FAIL", ...describe(result) })),
        `${results.length - failed.length} of ${results.length} as expected.`,
      ].join("\n"),
    );
    if (failed.length > 0)
      terminal.next(`amesh policy explain ${file} --input FILE, for a case of the table`);
    return failed.length === 0 ? 0 : 1;
  },
};

function describe({ name, expected, decision }: CaseResult) {
  const got = { effect: decision.allowed ? "allow" : "deny", rule: decision.rule ?? "none" };
  return {
    detail: name,
    rows: [`expected ${answer(expected)}, got ${answer(got)}`],
  };
}

const answer = ({ effect, rule }: { readonly effect: string; readonly rule?: string }): string =>
  rule === undefined ? effect : `${effect} by ${rule === "none" ? "no rule" : `the rule ${rule}`}`;
