import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { policySchema } from "@authmesh/oath";
import { afterAll, describe, expect, it } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const machine = new TestMachine();
afterAll(() => machine.remove());

const file = (name: string, content: string): string => {
  const path = join(machine.folder, name);
  writeFileSync(path, content);
  return path;
};

const good = file(
  "policy.yaml",
  `version: 1
rules:
  - { name: no-deletes, effect: deny, action: "**.delete", env: prod }
  - name: ci
    effect: allow
    subject: svc://ci/**
    action: orders.*
    source: { repository: acme/shop }
`,
);
const bad = file(
  "bad.yaml",
  "version: 1\nrules:\n  - name: a\n    effect: allow\n    subjekt: svc://a\n    Action: b\n",
);
const digest = /sha256:[0-9a-f]{64}/;

describe("amesh policy validate", () => {
  it("says of each policy whether it can be used, and of what is wrong where it stands", async () => {
    const { status, stdout } = await machine.run([
      "policy",
      "validate",
      good,
      bad,
      join(machine.folder, "none.yaml"),
    ]);
    expect(status).toBe(1);
    expect(stdout).toMatch(new RegExp(`^OK {4}${good}: 2 rules, ${digest.source}$`, "m"));
    expect(stdout).toContain(`FAIL  ${bad}\n`);
    expect(stdout).toContain(
      `${bad}:5:5: rules[0].subjekt is not a member there is. Did you mean subject?\n`,
    );
    expect(stdout).toContain(`${bad}:6:5: rules[0].Action is not a member there is. Did you mean action?\n`);
    expect(stdout).toMatch(/none.yaml" cannot be read: ENOENT/);
  });

  it("answers in JSON, of a folder as of one policy", async () => {
    const folder = join(machine.folder, "policies");
    mkdirSync(folder);
    writeFileSync(
      join(folder, "20.json"),
      '{"version":1,"rules":[{"name":"b","effect":"deny","match":"all"}]}',
    );
    writeFileSync(join(folder, "10.yaml"), "version: 1\nrules: [{ name: a, effect: allow, env: prod }]\n");
    const result = await machine.run(["policy", "validate", "--json", folder]);
    expect(result.status).toBe(0);
    expect(documentOf(result)).toEqual({
      schema: 1,
      valid: true,
      policies: [
        {
          file: folder,
          valid: true,
          files: ["10.yaml", "20.json"],
          rules: 2,
          digest: expect.stringMatching(digest),
        },
      ],
    });
    const refused = documentOf(await machine.run(["policy", "validate", "--json", bad]));
    expect(refused.valid).toBe(false);
    expect(refused.policies[0].problems).toContainEqual({
      file: bad,
      line: 5,
      column: 5,
      message: "rules[0].subjekt is not a member there is. Did you mean subject?",
    });
  });
});

describe("amesh policy test", () => {
  const table = (cases: string) => `version: 1
defaults: { subject: svc://ci/deploy, source: { repository: acme/shop } }
cases:
${cases}`;
  const cases = table(`  - { name: writes, input: { action: orders.write }, expect: allow, rule: ci }
  - { name: no users, input: { action: users.write }, expect: deny, rule: none }
`);

  it("passes where every answer is the expected one", async () => {
    const path = file("cases.yaml", cases);
    expect(await machine.run(["policy", "test", good, "--cases", path])).toEqual({
      status: 0,
      stdout: "2 of 2 as expected.\n",
      stderr: "",
    });
  });

  it("says where one is not, be it only for the rule that decides", async () => {
    const wrong = table(`  - { name: deletes, input: { action: orders.delete, env: prod }, expect: allow }
  - { name: by whom, input: { action: orders.read }, expect: allow, rule: other }
`);
    const { status, stdout } = await machine.run(["policy", "test", good, "--cases", "-"], { input: wrong });
    expect(status).toBe(1);
    expect(stdout).toBe(
      "FAIL  deletes\n      expected allow, got deny by the rule no-deletes\n" +
        "FAIL  by whom\n      expected allow by the rule other, got allow by the rule ci\n0 of 2 as expected.\n",
    );
    const document = documentOf(
      await machine.run(["policy", "test", good, "--cases", "-", "--json"], { input: wrong }),
    );
    expect(document).toMatchObject({ passed: 0, failed: 2, cases: [{ name: "deletes", passed: false }, {}] });
  });

  it("refuses a misspelt table, and wants one", async () => {
    const misspelt = cases.replace("expect: allow", "expcet: allow");
    expect(await machine.run(["policy", "test", good, "--cases", "-"], { input: misspelt })).toEqual({
      status: 1,
      ...failed("policy_invalid", /amesh policy validate FILE/),
    });
    expect(await machine.run(["policy", "test", good])).toEqual({
      status: 2,
      ...failed("input_required", "--cases FILE"),
    });
    expect((await machine.run(["policy", "test", bad, "--cases", "-"], { input: cases })).status).toBe(1);
  });
});

describe("amesh policy explain", () => {
  const asked = ["--subject", "svc://ci/deploy", "--action", "orders.write"];

  it("shows rule by rule what was looked at, and its status tells the answer", async () => {
    expect(
      await machine.run(["policy", "explain", good, ...asked, "--source-repository", "acme/other"]),
    ).toEqual({
      status: 3,
      stdout: `DENY  No rule allows it.

no-deletes (deny) does not match
  no   action: orders.write; expected **.delete

ci (allow) does not match
  yes  subject: svc://ci/deploy; expected svc://ci/**
  yes  action: orders.write; expected orders.*
  no   source.repository: acme/other; expected acme/shop
`,
      stderr: "",
    });
  });

  it("takes what is asked from a file, and options on top of it", async () => {
    const path = file(
      "asked.json",
      '{ "subject": "svc://ci/x", "action": "orders.delete", "source": { "repository": "acme/shop" } }',
    );
    const allowed = await machine.run(["policy", "explain", good, "--input", path, "--json"]);
    expect(allowed.status).toBe(0);
    expect(documentOf(allowed)).toMatchObject({
      decision: { allowed: true, rule: "ci" },
      rules: [
        { rule: "no-deletes", matched: false },
        { rule: "ci", matched: true },
      ],
    });
    expect((await machine.run(["policy", "explain", good, "--input", path, "--env", "prod"])).status).toBe(3);
  });

  it.each([
    ["a misspelt input", ["--input", "-"], "{ subjekt: svc://a }"],
    ["a time that is none", [...asked, "--time", "yesterday"], undefined],
    ["an input that is not UTF-8 text of YAML", ["--input", "-"], "a: *b"],
  ])("refuses %s", async (_, args, input) => {
    expect(
      await machine.run(["policy", "explain", good, ...args], input === undefined ? {} : { input }),
    ).toEqual({
      status: 1,
      ...failed("policy_invalid", /amesh policy/),
    });
  });
});

describe("amesh policy schema", () => {
  it("prints the schema", async () => {
    const { status, stdout } = await machine.run(["policy", "schema"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(policySchema);
  });
});
