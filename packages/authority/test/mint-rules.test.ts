import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAuthorityPolicy } from "../src/mint/authority-policy.js";
import { readMintRequest } from "../src/mint/mint-request.js";
import { type MintQuestion, ownSubject } from "../src/mint/mint-rules.js";

const caller = "am_cOixWcOdI8-pLh4P";
const question: MintQuestion = {
  caller,
  subject: "svc://billing/worker",
  audience: "api.example.com",
  action: "orders.write",
  scope: [],
  hasRequestHash: false,
  hasProof: false,
};

const read = (document: unknown) => readAuthorityPolicy(Buffer.from(JSON.stringify(document)), "policy.json");
const rulesOf = (...mint: object[]) => read({ version: 1, mint }).mint;

describe("the rules of minting", () => {
  const rules = rulesOf(
    {
      name: "bound",
      caller,
      subject: "**",
      audience: "**",
      action: "pay.*",
      request: "bound",
      proof: "required",
    },
    {
      name: "worker",
      caller,
      subject: "svc://billing/*",
      audience: ["api.example.com", "*.internal"],
      action: "orders.*",
      scope: ["orders.**"],
      env: "test",
      ttl: 30,
    },
    { name: "own", caller, audience: "api.example.com", action: "ping" },
  );

  it.each<[string, Partial<MintQuestion>, string, number]>([
    ["all it may have", { scope: ["orders.read.all"], env: "test", ttl: 30 }, "worker", 30],
    ["without a wish for a life, as long a one as it may have", {}, "worker", 30],
    ["its own subject", { subject: ownSubject(caller), action: "ping" }, "own", 120],
    ["a shorter life", { ttl: 5 }, "worker", 5],
    ["what must be bound, bound", { action: "pay.now", hasRequestHash: true, hasProof: true }, "bound", 120],
  ])("grant %s", (_, wish, rule, ttl) => {
    expect(rules({ ...question, ...wish })).toEqual({ granted: true, rule, ttl });
  });

  it.each<[string, Partial<MintQuestion>, string]>([
    ["another subject", { subject: "svc://billing/a/b" }, "subject"],
    ["another audience", { audience: "api.example.org" }, "audience"],
    ["an audience that only looks alike", { audience: "api.example.com." }, "audience"],
    ["another action", { action: "orders.write.all" }, "action"],
    ["a scope beside those it may have", { scope: ["orders.read", "admin"] }, "scope"],
    ["another environment", { env: "production" }, "env"],
    ["a longer life", { ttl: 31 }, "ttl"],
    ["what must be bound to a request", { action: "pay.now", hasProof: true }, "request"],
    ["what must be bound to a key", { action: "pay.now", hasRequestHash: true }, "proof"],
    [
      "another subject than its own, where the rule names none",
      { subject: "svc://x/y", action: "ping" },
      "subject",
    ],
    ["what no rule names, to a stranger", { caller: "am_0000000000000000" }, "caller am_0000000000000000"],
  ])("do not grant %s, and say why", (_, wish, about) => {
    const verdict = rules({ ...question, ...wish });
    expect(verdict.granted).toBe(false);
    if (!verdict.granted) expect(`${verdict.detail} ${verdict.fix}`).toContain(about);
  });

  it("let nobody speak for another device", () => {
    const all = rulesOf({ name: "all", caller: "**", subject: "**", audience: "**", action: "**" });
    expect(all({ ...question, subject: ownSubject(caller) }).granted).toBe(true);
    expect(all({ ...question, subject: ownSubject("am_0000000000000000") }).granted).toBe(false);
    expect(all({ ...question, subject: "svc://device/x/y" }).granted).toBe(false);
  });

  it.each([
    [
      "a misspelt member",
      { name: "a", caller, audience: "x", action: "x", suject: "x" },
      "did you mean subject?",
    ],
    ["no caller", { name: "a", audience: "x", action: "x" }, "caller is missing"],
    ["no audience", { name: "a", caller, action: "x" }, "audience is missing"],
    ["no action", { name: "a", caller, audience: "x" }, "action is missing"],
    ["an empty list, which matches nothing", { name: "a", caller: [], audience: "x", action: "x" }, "caller"],
    ["a wildcard that is none", { name: "a", caller: "am_?", audience: "x", action: "x" }, "caller"],
    ["a life that no token has", { name: "a", caller, audience: "x", action: "x", ttl: 301 }, "ttl"],
    ["a switch that is none", { name: "a", caller, audience: "x", action: "x", proof: true }, "proof"],
  ])("are refused with %s", (_, rule, about) => {
    expect(() => rulesOf(rule)).toThrow(about);
    expect(() => rulesOf(rule)).toThrow(AmeshError);
  });

  it("are refused when two have one name", () => {
    const rule = { name: "a", caller, audience: "x", action: "x" };
    expect(() => rulesOf(rule, rule)).toThrow("two rules");
  });

  it("grant nothing when there are none", () => {
    expect(read({ version: 1 }).mint(question).granted).toBe(false);
  });
});

describe("whatever the bytes", () => {
  const onlyOurErrors = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof AmeshError)) throw error;
    }
  };

  it("a policy is read or refused with an error of the catalogue", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => onlyOurErrors(() => readAuthorityPolicy(bytes, "policy.json")),
      ),
    );
  });

  it("a request for a token is read or refused with an error of the catalogue", () => {
    const member = fc.constantFrom("sub", "aud", "act", "scope", "ttl", "env", "reason", "rqh", "cnf");
    const body = fc.dictionary(member, fc.jsonValue());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          body.map((value) => Buffer.from(JSON.stringify(value))),
        ),
        (bytes) => onlyOurErrors(() => readMintRequest(bytes)),
      ),
    );
  });
});
