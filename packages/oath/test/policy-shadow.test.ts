import { compilePolicy, type PolicyDifference, type PolicyEngine, shadow } from "@authmesh/oath";
import { describe, expect, it } from "vitest";
import { input, policy } from "./fixtures/policies.js";

const active = compilePolicy(policy({ action: "orders.*" }, { action: "users.read" }));
const candidate = compilePolicy(policy({ action: ["orders.read", "users.*"] }));

describe("a policy in the shadow of another", () => {
  it("changes no decision, and is counted where it would", () => {
    const seen: PolicyDifference[] = [];
    const engine = shadow(active, candidate, (difference) => seen.push(difference));
    for (const action of ["orders.read", "orders.write", "users.read", "users.write", "else"])
      expect(engine.decide(input({ action }))).toEqual(active.decide(input({ action })));
    expect(engine.counts).toEqual({ decisions: 5, wouldDeny: 1, wouldAllow: 1, failures: 0 });
    expect(
      seen.map(({ input, active, candidate }) => [input.action, active.allowed, candidate.allowed]),
    ).toEqual([
      ["orders.write", true, false],
      ["users.write", false, true],
    ]);
    expect(engine.digest).toBe(active.digest);
    expect(engine.explain(input())).toEqual(active.explain(input()));
  });

  it("changes nothing even if it throws, or whoever watches does", () => {
    const fail = () => {
      throw new Error("no");
    };
    const broken: PolicyEngine = { decide: fail, explain: fail, digest: "" };
    const engine = shadow(active, broken);
    expect(engine.decide(input()).allowed).toBe(true);
    expect(engine.counts).toEqual({ decisions: 1, wouldDeny: 0, wouldAllow: 0, failures: 1 });
    expect(shadow(active, candidate, fail).decide(input()).allowed).toBe(true);
  });
});
