import { AmeshError } from "@authmesh/core";
import { compilePolicy } from "@authmesh/oath";
import { checkPolicyText, parsePolicy } from "@authmesh/oath/node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const yaml = `# Who may do what
version: 1
rules:
  - name: ci
    effect: allow
    subject: svc://ci/**
    time: { days: [mon, tue], hours: 08:00-18:00 }
  - name: 'rest'
    effect: deny
    description: >-
      *not an alias, !no tag,
      &no anchor
    match: all
`;

describe("the text of a policy", () => {
  it("means the same in YAML and in JSON", () => {
    const document = parsePolicy(yaml, "yaml");
    expect(document).toEqual({
      version: 1,
      rules: [
        {
          name: "ci",
          effect: "allow",
          subject: "svc://ci/**",
          time: { days: ["mon", "tue"], hours: "08:00-18:00" },
        },
        { name: "rest", effect: "deny", description: "*not an alias, !no tag, &no anchor", match: "all" },
      ],
    });
    const json = parsePolicy(JSON.stringify(document), "json");
    expect(compilePolicy(json).digest).toBe(compilePolicy(document).digest);
  });

  it.each([
    [
      "a misspelt member",
      yaml.replace("subject", "subjekt"),
      "6:5: rules[0].subjekt is not a member there is. Did you mean subject?",
    ],
    [
      "a misspelt value",
      yaml.replace("effect: deny", "effect: denied"),
      '9:13: rules[1].effect is "denied", not allow or deny.',
    ],
    ["a value deep inside", yaml.replace("tue", "tuesday"), /^7:25: rules\[0\].time.days\[1\] is "tuesday"/],
    [
      "a member without a value",
      yaml.replace("svc://ci/**", ""),
      "6:14: rules[0].subject is empty, not a text.",
    ],
    ["a missing member", yaml.replace("    effect: allow\n", ""), "4:5: rules[0] lacks the member effect."],
    ["a member named twice", yaml.replace("effect: allow", "name: b"), "5:5: It names a member twice."],
    ["an alias", "version: 1\nrules: &a\n  - *a\n", "2:8: It has an anchor (&)."],
    ["an alias alone", "version: *v\n", "1:10: It has an alias (*)."],
    ["a tag", "version: !!int 1\n", "1:10: It has a tag (!)."],
    ["a directive", "%YAML 1.1\n---\nversion: 1\n", "1:1: It has a directive (%)."],
    ["a merge key", "version: 1\nrules: []\n<<: { version: 1 }\n", /^3:1: << is not a member there is/],
    ["a key that is a list", "? [a]\n: 1\n", "1:1: It has a key that is not plain text (?)."],
    [
      "a second document",
      "version: 1\nrules: []\n---\nversion: 1\n",
      /^3:1: It has more than one document \(---\)/,
    ],
    ["wrong indentation", "version: 1\n rules: []\n", /^\d+:\d+: It is not YAML: /],
    ["nothing", "", "It is empty, not an object."],
    ["a byte order mark", `\ufeff${yaml}`, "1:1: It begins with a byte order mark."],
    ["brackets without end", "[".repeat(100_000), "1:17: It is nested deeper than 16."],
    ["braces without end", "{a: ".repeat(100_000), "1:65: It is nested deeper than 16."],
    ["dashes without end", "- ".repeat(100_000), "1:33: It is nested deeper than 16."],
    [
      "maps without end",
      Array.from({ length: 40 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
      /It is nested deeper than 16/,
    ],
  ])("in YAML is refused with %s, and the place is named", (_, text, problem) => {
    const message = problemOf(text, "yaml");
    if (typeof problem === "string")
      expect(message).toBe(`policy.yaml:${problem}`.replace("yaml:It", "yaml: It"));
    else expect(message.replace("policy.yaml:", "")).toMatch(problem);
  });

  it.each([
    [
      "a misspelt member",
      '{\n  "version": 1,\n  "ruls": []\n}',
      "3:3: ruls is not a member there is. Did you mean rules? And 1 more.",
    ],
    [
      "a wrong value",
      '{ "version": 1, "rules": [{ "name": "a", "effect": "no", "match": "all" }] }',
      '1:52: rules[0].effect is "no", not allow or deny.',
    ],
    ["a member named twice", '{ "version": 1, "version": 1, "rules": [] }', "1:17: It names a member twice."],
    ["a comment", '{ "version": 1, "rules": [] } // all', " It is not JSON."],
    ["YAML", yaml, " It is not JSON."],
  ])("in JSON is refused with %s", (_, text, problem) => {
    expect(problemOf(text, "json")).toBe(`policy.yaml:${problem}`);
  });

  it("longer than a mebibyte is refused in either", () => {
    const long = `# ${"x".repeat(1_048_576)}\n${yaml}`;
    for (const format of ["yaml", "json"] as const)
      expect(problemOf(long, format)).toMatch(/is longer than 1048576/);
  });

  it.each([
    ["members of one object", Array.from({ length: 4000 }, (_, i) => `k${i}: 1`).join("\n")],
    ["aliases", "*a\n".repeat(300_000)],
    ["exclamation marks", "!".repeat(1_000_000)],
    ["colons", ":".repeat(1_000_000)],
  ])("of nothing but %s is refused in seconds", (_, text) => {
    const started = performance.now();
    expect(checkPolicyText(text, "yaml").problems).toBeDefined();
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("is a policy or an error of the catalogue, whatever it is", () => {
    const piece = fc.constantFrom(
      "version: 1\n",
      "rules:\n",
      "  - ",
      "name: a\n",
      "effect: allow\n",
      "    ",
      "match: all\n",
      "{",
      "}",
      "[",
      "]",
      ",",
      "&a ",
      "*a",
      "!t ",
      "? ",
      "|\n",
      ">",
      "'",
      '"',
      "\t",
      "%",
      "---\n",
      "#",
      ":",
      "\\",
      "\ufeff",
      "\u0000",
      "\ud800",
      "null",
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 25 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(text, fc.constantFrom("yaml" as const, "json" as const), (text, format) => {
        try {
          compilePolicy(parsePolicy(text, format));
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
          expect(error).toMatchObject({ code: "policy_invalid" });
        }
      }),
      { numRuns: 600 },
    );
  });
});

function problemOf(text: string, format: "yaml" | "json"): string {
  try {
    parsePolicy(text, format, "policy.yaml");
    return "nothing";
  } catch (error) {
    expect(error).toMatchObject({ code: "policy_invalid" });
    return (error as Error).message;
  }
}
