import { AmeshError } from "@authmesh/core";
import { compilePolicy, type PolicyInput, shadow } from "@authmesh/oath";
import { type CedarOptions, cedarPolicy } from "@authmesh/oath/cedar";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { input, policy, wednesday } from "./fixtures/policies.js";

const everybody = "permit (principal, action, resource);";
const when = (condition: string) => `permit (principal, action, resource) when { ${condition} };`;
const billing =
  '@id("billing")\npermit (principal == Caller::"svc://billing/worker", action, resource == Audience::"orders-api");';

const full: PolicyInput = input({
  source: {
    type: "github-actions",
    repository: "acme/shop",
    ref: "refs/heads/main",
    workflow: "deploy.yml",
    environment: "production",
  },
  env: "prod",
  tenant: "@acme",
  method: "POST",
  path: "/orders/7",
});

const refusal = (text: string, options?: CedarOptions): AmeshError => {
  try {
    cedarPolicy(text, options);
  } catch (error) {
    if (error instanceof AmeshError) return error;
    throw error;
  }
  throw new Error("it was taken");
};

describe("a policy in Cedar", () => {
  it("allows what a policy permits, names it, and denies the rest", () => {
    const engine = cedarPolicy(billing);
    expect(engine.decide(input())).toEqual({
      allowed: true,
      rule: "billing",
      reason: "The policy billing permits it.",
    });
    const none = { allowed: false, reason: "No policy permits it." };
    expect(engine.decide(input({ subject: "svc://web/worker" }))).toEqual(none);
    expect(engine.decide(input({ audience: "users-api" }))).toEqual(none);
    expect(cedarPolicy("").decide(full)).toEqual(none);
  });

  it("denies what one policy forbids, whatever others permit", () => {
    const engine =
      cedarPolicy(`${everybody}\n@id("frozen") forbid (principal, action == Action::"orders.write", resource);
      @id("also") forbid (principal, action, resource) when { context.issuer == "https://issuer.example" };`);
    const decision = { allowed: false, rule: "frozen", reason: "The policy frozen forbids it." };
    expect(engine.explain(input())).toEqual({
      decision,
      rules: ["frozen", "also"].map((rule) => ({ rule, effect: "deny", matched: true, conditions: [] })),
    });
  });

  it("calls a policy without @id by its place in the text", () => {
    const policies = Array.from(
      { length: 12 },
      (_, i) => `permit (principal == Caller::"${i}", action, resource);`,
    );
    const engine = cedarPolicy(policies.join("\n"));
    for (const i of policies.keys())
      expect(engine.decide(input({ subject: `${i}` })).rule).toBe(`policy${i}`);
  });

  it.each([
    [
      "texts",
      'context.subject like "svc://billing/*" && context.action like "orders.*"',
      { subject: "svc://b/x" },
    ],
    ["the audience", 'context.audience like "*-api"', { audience: "orders" }],
    ["scopes", 'context.scopes.contains("orders:rw")', { scopes: ["users:r"] }],
    ["issuer", 'context.issuer == "https://issuer.example"', { issuer: "https://other.example" }],
    ["env", 'context has env && context.env == "prod"', { env: "dev" }],
    ["tenant", 'context has tenant && context.tenant == "@acme"', { tenant: "@other" }],
    ["method", 'context has method && context.method == "POST"', { method: "post" }],
    ["path", 'context has path && context.path like "/orders/*"', { path: "/users/7" }],
    [
      "source",
      'context has source && context.source.ref == "refs/heads/main"',
      { source: { type: "x", ref: "" } },
    ],
    ["time", 'context.time.toTime() < duration("12h")', { time: wednesday + 7200 }],
    ["subject", 'principal == Caller::"svc://billing/worker"', { subject: 'x" || true' }],
    ["action", 'action == Action::"orders.write"', { action: "orders.writer" }],
  ])("looks at %s", (_, condition, other) => {
    const engine = cedarPolicy(when(condition));
    expect(engine.decide(full).allowed).toBe(true);
    expect(engine.decide({ ...full, ...other }).allowed).toBe(false);
  });

  it("has nothing in the context that the input has not", () => {
    const absent = ["source", "env", "tenant", "method", "path"];
    const engine = cedarPolicy(when(absent.map((name) => `!(context has ${name})`).join(" && ")));
    expect(engine.decide(input()).allowed).toBe(true);
    expect(engine.decide(full).allowed).toBe(false);
  });

  it.each(["/orders/..%2fadmin", "//admin", "/%61dmin", "/a;b", "orders", ""])(
    "denies the path %s, which can be read in two ways, also where no policy asks for one",
    (path) => {
      const decision = { allowed: false, reason: "The path can be read in two ways." };
      expect(cedarPolicy(everybody).explain(input({ path }))).toEqual({ decision, rules: [] });
    },
  );

  it("does not trouble Cedar with half a surrogate pair", () => {
    for (const asked of [{ subject: "\ud800" }, { scopes: ["\udc00"] }])
      expect(cedarPolicy(everybody).decide(input(asked))).toEqual({
        allowed: false,
        reason: "What is asked is not something a policy can decide on.",
      });
  });

  it("denies everything that one policy cannot be evaluated for", () => {
    const engine = cedarPolicy(`${everybody}
      @id("nobody-deletes") forbid (principal, action, resource) when { context.path like "/admin/*" };`);
    expect(engine.decide({ ...full, path: "/orders" }).allowed).toBe(true);
    expect(engine.explain(input())).toEqual({
      decision: { allowed: false, reason: "The policy nobody-deletes cannot be evaluated for it." },
      rules: [
        {
          rule: "nobody-deletes",
          effect: "deny",
          matched: false,
          conditions: [
            {
              field: "evaluation",
              expected: "no error",
              actual: '"record does not have the attribute `path`"',
              holds: false,
            },
          ],
        },
      ],
    });
  });

  it("knows groups of callers from its entities, as they were when it was made", () => {
    const parents = [{ type: "Team", id: "billing" }];
    const entities = [{ uid: { type: "Caller", id: "svc://billing/worker" }, attrs: {}, parents }];
    const text = 'permit (principal in Team::"billing", action, resource);';
    const engine = cedarPolicy(text, { entities });
    parents.pop();
    expect(engine.decide(input()).allowed).toBe(true);
    expect(engine.decide(input({ subject: "svc://web/worker" })).allowed).toBe(false);
    expect(cedarPolicy(text, { entities }).decide(input()).allowed).toBe(false);
  });

  describe("with a schema", () => {
    const schema = `
      type Request = { subject: String, action: String, audience: String, scopes: Set<String>, issuer: String, time: datetime, path?: String };
      entity Caller, Audience;
      action "orders.write" appliesTo { principal: Caller, resource: Audience, context: Request };`;

    it("is refused where it does not keep to it", () => {
      expect(
        refusal('permit (principal, action == Action::"orders.wrte", resource);', { schema }),
      ).toMatchObject({
        code: "policy_invalid",
        message: expect.stringContaining("unrecognized action"),
        fix: expect.stringContaining("did you mean"),
      });
      expect(refusal(when('context.path == "/"'), { schema }).message).toMatch(/optional attribute `path`/);
      expect(refusal(everybody, { schema: "entity" }).code).toBe("policy_invalid");
    });

    it("denies what is no such request, and says so", () => {
      const engine = cedarPolicy(everybody, { schema });
      expect(engine.decide(input({ path: "/" })).allowed).toBe(true);
      expect(engine.decide(input({ action: "users.read" })).reason).toMatch(
        /^Cedar cannot take the request: .*does not exist in the supplied schema/,
      );
      expect(engine.decide(input({ env: "prod" })).allowed).toBe(false);
    });
  });

  it.each([
    ["not Cedar", "permit (principal,\naction resource);", /^The policy:2:8: Cedar says "unexpected token/],
    ["not Cedar behind other letters", "// ü\npermitt (principal);", /^The policy:2:1: /],
    ["a template", "permit (principal == ?principal, action, resource);", /has a template/],
    ["called like another", `${billing}\n${billing}`, /Two policies are called billing/],
    ["called like no rule", `@id("a\\nb") ${everybody}`, /@id\("a\\nb"\) is not a name/],
    ["of another character set", `${everybody}// \ud800`, /half a surrogate pair/],
    ["too long", `// ${"x".repeat(1_048_576)}`, /longer than 1048576 bytes/],
  ])("is refused where it is %s", (_, text, problem) => {
    expect(refusal(text)).toMatchObject({ code: "policy_invalid", message: expect.stringMatching(problem) });
  });

  it.each([
    ["lack attributes", [{ uid: { type: "Team", id: "x" } }]],
    ["are no list", "all"],
    ["are null", null],
    [
      "belong to themselves",
      [
        { uid: { type: "A", id: "1" }, attrs: {}, parents: [{ type: "A", id: "2" }] },
        { uid: { type: "A", id: "2" }, attrs: {}, parents: [{ type: "A", id: "1" }] },
      ],
    ],
  ])("is refused where its entities %s", (_, entities) => {
    expect(refusal(everybody, { entities } as unknown as CedarOptions).code).toBe("policy_invalid");
  });

  it("breaks no other policy where Cedar breaks", () => {
    const engine = cedarPolicy(billing);
    const deep = when(`${"(".repeat(20_000)}true${")".repeat(20_000)}`);
    for (let i = 0; i < 3; i++) expect(refusal(deep).message).toMatch(/nested too deep/);
    expect(engine.decide(input()).allowed).toBe(true);
    expect(cedarPolicy(billing).decide(input()).allowed).toBe(true);
  });

  it("denies where Cedar breaks while it decides, and decides again afterwards", () => {
    const engine = cedarPolicy(`@id("deep") ${when(`1${" + 1".repeat(100)} == 101`)}`);
    const reasons = new Set<string>();
    let frames = 0;
    /** Fills the stack, and asks on the way back, with room enough for an answer in the end. */
    const descend = (): void => {
      try {
        descend();
      } catch {
        // No room even for this.
      }
      if (frames++ % 256 === 0) reasons.add(engine.decide(input()).reason);
    };
    descend();
    expect([...reasons]).toEqual(["Cedar failed while it decided.", "The policy deep permits it."]);
  });

  it("has a digest that a new layout leaves alone, and any other change does not", () => {
    const { digest } = cedarPolicy(billing);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(cedarPolicy(billing.replaceAll(" ", "\n  ")).digest).toBe(digest);
    const entities = [{ uid: { type: "Team", id: "x" }, attrs: {}, parents: [] }];
    const big = (n: string) => cedarPolicy(when(`1 == ${n}`)).digest;
    const others = [
      cedarPolicy(billing.replace("worker", "workers")).digest,
      cedarPolicy(billing, { entities }).digest,
      big("9007199254740992"),
      big("9007199254740993"),
    ];
    expect(new Set([digest, ...others]).size).toBe(5);
  });

  it("can be watched beside a policy of our own", () => {
    const both = shadow(compilePolicy(policy({ subject: "svc://**" })), cedarPolicy(billing));
    both.decide(input());
    both.decide(input({ subject: "svc://web/worker" }));
    expect(both.counts).toEqual({ decisions: 2, wouldDeny: 1, wouldAllow: 0, failures: 0 });
  });

  describe("whatever it is given", () => {
    const word = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\ud800", "\0", '"', "/", "Caller::"),
    );

    it("decides or denies, and never throws", () => {
      const engine = cedarPolicy(
        `${billing}\nforbid (principal, action, resource) when { ip(context.env).isLoopback() };`,
      );
      const time = fc.oneof(fc.double(), fc.constantFrom(0, -1, 8_640_000_000_000, Number.NaN));
      const asked = fc.record(
        {
          subject: word,
          action: word,
          issuer: word,
          audience: word,
          scopes: fc.array(word),
          env: word,
          path: word,
          time,
        },
        { requiredKeys: ["subject", "action", "issuer", "audience", "scopes", "time"] },
      );
      fc.assert(
        fc.property(fc.oneof(asked, fc.anything()), (value) => {
          const trace = engine.explain(value as PolicyInput);
          expect(trace.decision.allowed).toBe(false);
          expect(trace.decision.reason).toMatch(/^\P{Cc}+\.$/u);
        }),
      );
      expect(engine.decide(input({ env: "10.0.0.1" })).allowed).toBe(true);
    });

    it("reads a text, or refuses it by an error of the catalogue", () => {
      const tokens = fc.constantFrom(
        ...[
          "permit",
          "forbid",
          "(",
          ")",
          "principal",
          "action",
          "resource",
          ",",
          ";",
          "when",
          "{",
          "}",
          "@id",
          '("a")',
          "context",
          ".",
          "==",
          "1",
          '"x"',
          "\n",
          "//",
        ],
      );
      const text = fc.oneof(
        fc.array(tokens).map((all) => all.join(" ")),
        fc.string({ unit: "binary" }),
      );
      fc.assert(
        fc.property(text, (text) => {
          try {
            expect(cedarPolicy(text).decide(full).reason).not.toBe("Cedar failed while it decided.");
          } catch (error) {
            expect(error).toMatchObject({ code: "policy_invalid" });
          }
        }),
        { numRuns: 20 },
      );
    });
  });
});
