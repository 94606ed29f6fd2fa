import { readFileSync } from "node:fs";
import { compilePolicy, type PolicyInput } from "@authmesh/oath";
import { cedarPolicy } from "@authmesh/oath/cedar";
import { parsePolicy, parsePolicyCases, runPolicyCases } from "@authmesh/oath/node";
import { describe, expect, it } from "vitest";
import { input, wednesday } from "./fixtures/policies.js";

const blocksOf = (page: string, language: string): readonly string[] => {
  const text = readFileSync(new URL(`../../../docs/guide/${page}.md`, import.meta.url), "utf8");
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g");
  return [...text.matchAll(fence)].map(([, block]) => block as string);
};
const yamlOf = (page: string): readonly string[] => blocksOf(page, "yaml");

describe("the guide to policies", () => {
  const [document = "", cases = ""] = yamlOf("policy");

  it("shows a policy that answers its cases as it says", () => {
    const engine = compilePolicy(parsePolicy(document, "yaml"));
    const results = runPolicyCases(engine, parsePolicyCases(cases, "yaml"), wednesday);
    expect(results).toHaveLength(2);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
  });

  it("shows examples that are rules, each for what it says", () => {
    const examples = yamlOf("policy-examples");
    const rules = examples.join("").replace(/^/gm, "  ");
    expect(parsePolicy(`version: 1\nrules:\n${rules}`, "yaml").rules.length).toBeGreaterThanOrEqual(
      examples.length,
    );
    const decide = (place: number, asked: Partial<PolicyInput>) =>
      compilePolicy(
        parsePolicy(`version: 1\nrules:\n${(examples[place] as string).replace(/^/gm, "  ")}`, "yaml"),
      ).decide(input(asked));
    expect(decide(0, {}).allowed).toBe(true);
    expect(decide(0, { audience: "users-api" }).allowed).toBe(false);
    const source = {
      type: "github-actions",
      repository: "acme/shop",
      ref: "refs/tags/v1.2",
      workflow: "acme/shop/.github/workflows/deploy.yml@refs/tags/v1.2",
      environment: "production",
    };
    expect(decide(2, { action: "deploy.production", source }).allowed).toBe(true);
    expect(
      decide(2, { action: "deploy.production", source: { ...source, ref: "refs/heads/x" } }).allowed,
    ).toBe(false);
    const agent = { subject: "agent://helper", tenant: "@acme", method: "GET", path: "/tenants/acme/7" };
    expect(decide(3, agent).allowed).toBe(true);
    expect(decide(3, { ...agent, path: "/tenants/acme/../other/7" }).allowed).toBe(false);
    const saturday = { env: "prod", time: Date.parse("2026-01-10T12:00:00Z") / 1000 };
    expect(decide(4, saturday).rule).toBe("frozen");
    expect(decide(4, { ...saturday, time: wednesday }).rule).toBeUndefined();
  });

  it("shows a policy in Cedar that keeps to its schema and decides as it says", () => {
    const [text = ""] = blocksOf("policy", "cedar");
    const [schema = ""] = blocksOf("policy", "cedarschema");
    const parents = [{ type: "Team", id: "billing" }];
    const entities = [{ uid: { type: "Caller", id: "svc://billing/worker" }, attrs: {}, parents }];
    const engine = cedarPolicy(text, { entities, schema });
    const source = {
      type: "github-actions",
      repository: "acme/shop",
      ref: "x",
      workflow: "y",
      environment: "z",
    };
    const full = input({ source, env: "prod", tenant: "@acme", method: "POST", path: "/orders/7" });
    expect(engine.decide(full).rule).toBe("billing-writes-orders");
    expect(engine.decide(input())).toEqual({ allowed: false, reason: "No policy permits it." });
    expect(engine.decide({ ...full, time: wednesday - 5 * 3600 }).rule).toBe("nobody-at-night");
  });
});
