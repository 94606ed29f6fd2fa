import { compilePolicy, type PolicyDocument, type PolicyInput, type PolicyRule } from "@authmesh/oath";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideNaively } from "./fixtures/naive-policy.js";
import { input, policy, wednesday } from "./fixtures/policies.js";

const allows = (rule: Partial<PolicyRule>, asked: Partial<PolicyInput> = {}) =>
  compilePolicy(policy(rule)).decide(input(asked)).allowed;

describe("a policy", () => {
  it("denies what no rule matches", () => {
    const engine = compilePolicy(policy({ subject: "svc://other/**" }));
    expect(engine.decide(input())).toEqual({ allowed: false, reason: "No rule allows it." });
    expect(compilePolicy({ version: 1, rules: [] }).decide(input()).allowed).toBe(false);
  });

  it("is decided by the first rule that matches, wherever the index has it", () => {
    const engine = compilePolicy(
      policy(
        { action: "orders.read" },
        { effect: "deny", env: "prod" },
        { subject: "svc://billing/worker" },
        { effect: "deny", match: "all" },
      ),
    );
    expect(engine.decide(input({ action: "orders.read", env: "prod" })).rule).toBe("rule-0");
    expect(engine.decide(input({ env: "prod" }))).toEqual({
      allowed: false,
      rule: "rule-1",
      reason: "The rule rule-1 denies it.",
    });
    expect(engine.decide(input())).toEqual({
      allowed: true,
      rule: "rule-2",
      reason: "The rule rule-2 allows it.",
    });
    expect(engine.decide(input({ subject: "svc://x/y" })).rule).toBe("rule-3");
  });

  const source = {
    type: "github-actions",
    repository: "acme/shop",
    ref: "refs/heads/main",
    workflow: "acme/shop/.github/workflows/deploy.yml",
    environment: "production",
  };
  it.each<[string, Partial<PolicyRule>, Partial<PolicyInput>, Partial<PolicyInput>]>([
    ["subject", { subject: "svc://billing/*" }, {}, { subject: "svc://billing/a/b" }],
    ["action", { action: ["orders.read", "orders.w*"] }, {}, { action: "orders.delete" }],
    ["issuer", { issuer: "https://issuer.example" }, {}, { issuer: "https://issuer.example.evil" }],
    ["audience", { audience: "orders-*" }, {}, { audience: "users-api" }],
    ["env", { env: "prod" }, { env: "prod" }, { env: "staging" }],
    ["tenant", { tenant: "@acme" }, { tenant: "@acme" }, { tenant: "@acme2" }],
    [
      "source.type",
      { source: { type: "github-actions" } },
      { source },
      { source: { ...source, type: "gitlab" } },
    ],
    [
      "source.repository",
      { source: { repository: "acme/*" } },
      { source },
      { source: { ...source, repository: "evil/acme/x" } },
    ],
    [
      "source.ref",
      { source: { ref: "refs/heads/main" } },
      { source },
      { source: { ...source, ref: "refs/tags/v1" } },
    ],
    [
      "source.workflow",
      { source: { workflow: "**/deploy.yml" } },
      { source },
      { source: { ...source, workflow: "acme/shop/test.yml" } },
    ],
    [
      "source.environment",
      { source: { environment: "production" } },
      { source },
      { source: { ...source, environment: "dev" } },
    ],
    ["method", { method: ["GET", "HEAD"] }, { method: "GET" }, { method: "get" }],
    ["path", { path: "/orders/*" }, { path: "/orders/7" }, { path: "/orders/7/items" }],
    [
      "scope",
      { scope: ["orders:*", "users:r"] },
      { scopes: ["orders:rw", "users:r"] },
      { scopes: ["orders:rw"] },
    ],
  ])("looks at %s, and takes what is absent for no match", (field, rule, fitting, other) => {
    expect(allows(rule, fitting)).toBe(true);
    expect(allows(rule, other)).toBe(false);
    const name = field.split(".")[0] as string;
    const { [name]: _, ...without } = { ...input(fitting) } as Record<string, unknown>;
    const empty = { subject: "", action: "", issuer: "", audience: "", time: wednesday };
    const absent: PolicyInput = { ...empty, ...without, scopes: [] };
    expect(compilePolicy(policy(rule)).decide(absent).allowed).toBe(false);
  });

  it.each([
    ["2026-01-07T10:30:00Z", { notBefore: "2026-01-07T10:30:00Z" }, true],
    ["2026-01-07T10:29:59Z", { notBefore: "2026-01-07T10:30:00Z" }, false],
    ["2026-01-07T10:30:00Z", { notAfter: "2026-01-07T11:30:00+01:00" }, true],
    ["2026-01-07T10:30:01Z", { notAfter: "2026-01-07T11:30:00+01:00" }, false],
    ["2026-01-07T10:30:00Z", { days: "wed" as const }, true],
    ["2026-01-07T10:30:00Z", { days: ["mon", "fri"] as const }, false],
    ["2026-01-07T08:00:00Z", { hours: "08:00-18:00" }, true],
    ["2026-01-07T17:59:59Z", { hours: "08:00-18:00" }, true],
    ["2026-01-07T18:00:00Z", { hours: "08:00-18:00" }, false],
    ["2026-01-07T23:59:59Z", { hours: "08:00-24:00" }, true],
    // Over midnight the morning belongs to the day before.
    ["2026-01-07T23:00:00Z", { days: "wed" as const, hours: "22:00-06:00" }, true],
    ["2026-01-08T05:59:00Z", { days: "wed" as const, hours: "22:00-06:00" }, true],
    ["2026-01-08T06:00:00Z", { days: "wed" as const, hours: "22:00-06:00" }, false],
    ["2026-01-07T05:00:00Z", { days: "wed" as const, hours: "22:00-06:00" }, false],
    // In summer Berlin is two hours ahead, in winter one.
    ["2026-07-01T06:00:00Z", { hours: "08:00-18:00", timezone: "Europe/Berlin" }, true],
    ["2026-01-07T06:00:00Z", { hours: "08:00-18:00", timezone: "Europe/Berlin" }, false],
    // The clocks change at 01:00 UTC on 29 March 2026: 01:59 is followed by 03:00.
    ["2026-03-29T00:59:00Z", { hours: "01:30-02:00", timezone: "Europe/Berlin" }, true],
    ["2026-03-29T01:00:00Z", { hours: "03:00-03:01", timezone: "Europe/Berlin" }, true],
    [
      "2026-01-06T18:20:00Z",
      { hours: "00:05-00:06", timezone: "Asia/Kathmandu", days: "wed" as const },
      true,
    ],
    ["2026-01-07T04:30:00Z", { days: "tue" as const, timezone: "America/New_York" }, true],
  ])("at %s with %j is %s", (time, rule, expected) => {
    expect(allows({ time: rule }, { time: Date.parse(time) / 1000 })).toBe(expected);
  });

  describe("that asks for a path", () => {
    const guarded = compilePolicy(
      policy({ effect: "deny", path: "/admin/**" }, { path: "/orders/**" }, { match: "all" }),
    );

    it.each([
      ["/admin/users", "rule-0"],
      ["/orders/7", "rule-1"],
      ["/else", "rule-2"],
    ])("decides %s by %s", (path, rule) => {
      expect(guarded.decide(input({ path })).rule).toBe(rule);
    });

    it.each([
      "/orders/../admin/users",
      "/orders/%2e%2e/admin",
      "/%61dmin/users",
      "//admin/users",
      "/x%2fadmin",
    ])("lets no rule allow %s, and every rule deny it", (path) => {
      expect(guarded.decide(input({ path }))).toMatchObject({ allowed: false, rule: "rule-0" });
      expect(compilePolicy(policy({ path: "/**" })).decide(input({ path })).allowed).toBe(false);
    });
  });

  it.each([
    undefined,
    null,
    {},
    input({ time: Number.NaN }),
    input({ time: 1e300 }),
    input({ subject: 7 as unknown as string }),
    input({ scopes: "orders:rw" as unknown as string[] }),
    input({ env: ["prod"] as unknown as string }),
    input({ source: { type: "x", ref: {} as unknown as string } }),
  ])("denies what is no input, and does not throw (%#)", (asked) => {
    const engine = compilePolicy(policy({ match: "all" }));
    expect(engine.decide(asked as PolicyInput)).toMatchObject({ allowed: false });
    expect(engine.explain(asked as PolicyInput)).toMatchObject({ decision: { allowed: false }, rules: [] });
  });

  it("explains rule by rule, up to the one that decides and the condition that does not hold", () => {
    const engine = compilePolicy(
      policy(
        { subject: "svc://billing/**", action: ["a.b", "c.d"], env: "prod" },
        { effect: "deny", path: "/a" },
        { time: { days: ["wed"], timezone: "UTC" } },
        { match: "all" },
      ),
    );
    expect(engine.explain(input({ path: "/a/../b" }))).toEqual({
      decision: { allowed: false, rule: "rule-1", reason: "The rule rule-1 denies it." },
      rules: [
        {
          rule: "rule-0",
          effect: "allow",
          matched: false,
          conditions: [
            { field: "subject", expected: "svc://billing/**", actual: "svc://billing/worker", holds: true },
            { field: "action", expected: "a.b or c.d", actual: "orders.write", holds: false },
          ],
        },
        {
          rule: "rule-1",
          effect: "deny",
          matched: true,
          conditions: [
            { field: "path", expected: "/a", actual: "/a/../b (it can be read in two ways)", holds: true },
          ],
        },
      ],
    });
    expect(engine.explain(input()).rules[1]?.conditions).toEqual([
      { field: "path", expected: "/a", holds: false },
    ]);
    expect(engine.explain(input()).rules[2]?.conditions).toEqual([
      { field: "time", expected: "days wed, timezone UTC", actual: "2026-01-07T10:30:00.000Z", holds: true },
    ]);
  });

  it("has a digest of what it says, not of how it is written", () => {
    const { digest } = compilePolicy({ version: 1, rules: [{ name: "a", effect: "deny", match: "all" }] });
    expect(digest).toBe(
      compilePolicy({ $schema: "x", rules: [{ match: "all", effect: "deny", name: "a" }], version: 1 })
        .digest,
    );
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(
      compilePolicy({ version: 1, rules: [{ name: "b", effect: "deny", match: "all" }] }).digest,
    ).not.toBe(digest);
  });

  it("agrees with an interpreter that asks every rule in turn", () => {
    const segment = fc.constantFrom("a", "b", "*", "**", "c*");
    const glob = (separator: string, start = "") =>
      fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => start + parts.join(separator));
    const some = <T>(one: fc.Arbitrary<T>) => fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 }));
    const rule = fc
      .record(
        {
          effect: fc.constantFrom("allow" as const, "deny" as const),
          subject: some(glob("/", "svc://")),
          action: some(glob(".")),
          tenant: some(glob("/")),
          source: fc.record({ repository: some(glob("/")) }),
          method: fc.constantFrom("GET", "POST"),
          path: some(glob("/", "/")),
          scope: some(glob(".")),
        },
        { requiredKeys: ["effect"] },
      )
      .map((rule) => (Object.keys(rule).length === 1 ? { ...rule, match: "all" as const } : rule));
    const words = (separator: string, start = "") =>
      fc
        .array(fc.constantFrom("a", "b", "cc", "c", ""), { minLength: 1, maxLength: 4 })
        .map((parts) => start + parts.join(separator));
    const asked = fc.record(
      {
        subject: words("/", "svc://"),
        action: words("."),
        scopes: fc.array(words("."), { maxLength: 3 }),
        tenant: words("/"),
        source: fc.record({ type: fc.constant("t"), repository: words("/") }),
        method: fc.constantFrom("GET", "POST", "PUT"),
        path: fc.oneof(words("/", "/"), fc.constantFrom("/a/../b", "/a%2fb", "/%61")),
        issuer: fc.constant("i"),
        audience: fc.constant("o"),
        time: fc.constant(wednesday),
      },
      { requiredKeys: ["subject", "action", "scopes", "issuer", "audience", "time"] },
    );
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 12 }),
        fc.array(asked, { minLength: 1, maxLength: 8 }),
        (rules, inputs) => {
          const document: PolicyDocument = policy(...rules);
          const engine = compilePolicy(document);
          for (const asked of inputs) {
            const { reason: _, ...decision } = engine.decide(asked);
            expect(decision).toEqual(decideNaively(document, asked));
            expect(engine.explain(asked).decision).toEqual(engine.decide(asked));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
