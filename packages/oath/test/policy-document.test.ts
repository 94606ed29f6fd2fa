import { readFileSync } from "node:fs";
import { compilePolicy, type PolicyDocument, policySchema } from "@authmesh/oath";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const fitsSchema = new Ajv2020({ strict: true, strictRequired: false }).compile(policySchema);

/** What is wrong with a document; undefined for a good one. */
function problemOf(document: unknown): string | undefined {
  try {
    compilePolicy(document as PolicyDocument);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: "policy_invalid" });
    return (error as Error).message;
  }
}

const rule = { name: "a", effect: "allow" };
const withRule = (changes: object) => ({ version: 1, rules: [{ ...rule, ...changes }] });
const withTime = (time: object) => withRule({ time });

describe("the schema of a policy", () => {
  it("is the one that is published", () => {
    const published = readFileSync(new URL("../schema/policy-1.json", import.meta.url), "utf8");
    // Written by `amesh policy schema > packages/oath/schema/policy-1.json`, and formatted.
    expect(JSON.parse(published)).toEqual(policySchema);
  });

  it.each([
    { version: 1, rules: [] },
    { version: 1, rules: [], $schema: "https://authmesh.dev/schema/policy-1.json" },
    withRule({ match: "all" }),
    withRule({ match: "all", description: "Everything, for now." }),
    withRule({ subject: "**" }),
    withRule({ subject: ["svc://a/*", "*://b/**", "user://me"], action: "orders.**" }),
    withRule({ source: { type: "gitlab", repository: ["a/b", "a/c"] } }),
    withRule({ method: "GET" }),
    withRule({ path: ["/", "/orders/**", "**", "/a*/%C3%A9"] }),
    withRule({ scope: ["orders:rw"], env: "prod", tenant: "@acme", issuer: "https://i", audience: "a" }),
    withTime({ notBefore: "2026-02-28T00:00:00Z", notAfter: "2026-02-28T00:00:00+00:00" }),
    withTime({ days: "mon" }),
    withTime({ days: ["sat", "sun"], hours: "22:00-06:00", timezone: "Europe/Berlin" }),
    withTime({ hours: "00:00-24:00" }),
  ])("and the compiler take %j", (document) => {
    expect(problemOf(document)).toBeUndefined();
    expect(fitsSchema(document)).toBe(true);
  });

  it.each([
    [null, "It is empty, not an object."],
    [[], "It is a list, not an object."],
    ["version: 1", "It is a string, not an object."],
    [{}, "It lacks the member version. And 1 more."],
    [{ version: 2, rules: [] }, "version is a number, not 1."],
    [{ version: "1", rules: [] }, 'version is "1", not 1. Did you mean 1?'],
    [{ version: 1 }, "It lacks the member rules."],
    [{ version: 1, rules: {} }, "rules is an object, not a list."],
    [{ version: 1, rules: [], rule: [] }, "rule is not a member there is. Did you mean rules?"],
    [
      { version: 1, rules: [rule] },
      "rules[0] has no condition. If it is to match everything, say so: match: all.",
    ],
    [withRule({ subjekt: "svc://a" }), "rules[0].subjekt is not a member there is. Did you mean subject?"],
    [
      withRule({ subject: "svc://a", Action: "b" }),
      "rules[0].Action is not a member there is. Did you mean action?",
    ],
    [
      withRule({ source: { repo: "a" } }),
      "rules[0].source.repo is not a member there is. There are: type, repository, ref, workflow, environment.",
    ],
    [withRule({ time: { day: "mon" } }), "rules[0].time.day is not a member there is. Did you mean days?"],
    [
      withRule({ match: "all", subject: "**" }),
      "rules[0].match stands beside conditions; it is for rules that have none.",
    ],
    [withRule({ match: "any" }), 'rules[0].match is "any", not all.'],
    [
      withRule({ effect: "alow", match: "all" }),
      'rules[0].effect is "alow", not allow or deny. Did you mean allow?',
    ],
    [withRule({ effect: undefined, match: "all" }), "rules[0].effect is a undefined, not allow or deny."],
    [withRule({ name: "a b", match: "all" }), /^rules\[0\].name is not a name of letters/],
    [withRule({ name: "", match: "all" }), /^rules\[0\].name is not a name of letters/],
    [withRule({ subject: [] }), "rules[0].subject is an empty list."],
    [withRule({ subject: null }), "rules[0].subject is empty, not a text."],
    [withRule({ subject: "" }), /^rules\[0\].subject is not a pattern/],
    [withRule({ subject: "billing/worker" }), /is not a pattern of a subject, such as svc:/],
    [withRule({ subject: "*" }), /is not a pattern of a subject/],
    [withRule({ subject: "svc:/billing" }), /is not a pattern of a subject/],
    [withRule({ action: true }), "rules[0].action is a boolean, not a text; put it in quotes."],
    [withRule({ tenant: 8080 }), "rules[0].tenant is a number, not a text; put it in quotes."],
    [withRule({ action: "orders.{read,write}" }), /have no place in it/],
    [withRule({ action: "orders.[rw]" }), /have no place in it/],
    [withRule({ action: "orders.?" }), /have no place in it/],
    [withRule({ action: "!orders.read" }), /have no place in it/],
    [withRule({ action: "orders.***" }), /have no place in it/],
    [withRule({ action: "a\nb" }), /have no place in it/],
    [withRule({ action: "\ud800" }), /have no place in it/],
    [withRule({ action: "orders.\u200bread" }), /have no place in it/],
    [withRule({ action: "orders.\u202eread" }), /have no place in it/],
    [withRule({ action: "a".repeat(257) }), /have no place in it/],
    [withRule({ action: [["orders.read"]] }), "rules[0].action[0] is a list, not a text."],
    [withRule({ action: Array(1001).fill("a") }), "rules[0].action has more than 1000 entries."],
    [withRule({ source: {} }), "rules[0].source is an empty object."],
    [withRule({ method: "get" }), /is not the name of a method in upper case: "get"/],
    [withRule({ method: "*" }), /is not the name of a method/],
    [withRule({ path: "orders" }), /begins with a slash/],
    [withTime({}), "rules[0].time is an empty object."],
    [withTime({ timezone: "UTC" }), "rules[0].time.timezone means something only beside days or hours."],
    [withTime({ days: ["monday"] }), /^rules\[0\].time.days\[0\] is "monday", not mon or tue/],
    [withTime({ hours: "8:00-18:00" }), /is not hours such as/],
    [withTime({ hours: "24:00-18:00" }), /is not hours such as/],
    [withTime({ notBefore: "2026-01-01" }), /is not a time such as/],
    [withTime({ notBefore: 1_700_000_000 }), /is a number/],
    [withTime({ timezone: "Europe Berlin", days: "mon" }), /is not a time zone such as/],
    [{ version: 1, rules: Array(10_001).fill(rule) }, "rules has more than 10000 entries."],
  ])("and the compiler refuse %j", (document, problem) => {
    expect(problemOf(document)).toEqual(
      typeof problem === "string"
        ? `The policy cannot be used: ${problem}`
        : expect.stringMatching(new RegExp(problem.source.replace(/^\^/, "^The policy cannot be used: "))),
    );
    expect(fitsSchema(JSON.parse(JSON.stringify(document)))).toBe(false);
  });

  it.each([
    [
      "two rules of one name",
      { version: 1, rules: [withRule({ match: "all" }).rules[0], { ...rule, env: "x" }] },
    ],
    ["a path that no path is", withRule({ path: "/a/../b" })],
    ["a path with an escaped slash", withRule({ path: "/a%2fb" })],
    ["a day that the calendar lacks", withTime({ notBefore: "2026-02-30T00:00:00Z" })],
    ["a time zone that is unknown", withTime({ days: "mon", timezone: "Mars/Phobos" })],
    ["hours that begin when they end", withTime({ hours: "08:00-08:00" })],
    [
      "an end before the beginning",
      withTime({ notBefore: "2026-01-02T00:00:00Z", notAfter: "2026-01-01T00:00:00Z" }),
    ],
  ])("takes what only the compiler can refuse: %s", (_, document) => {
    expect(fitsSchema(document)).toBe(true);
    expect(problemOf(document)).toMatch(/^The policy cannot be used: rules\[/);
  });

  it("agrees with the compiler on whatever is given", () => {
    const name = fc.constantFrom(
      "version",
      "rules",
      "name",
      "effect",
      "match",
      "subject",
      "source",
      "type",
      "time",
      "days",
      "x",
    );
    const leaf = fc.constantFrom<unknown>(
      1,
      2,
      null,
      true,
      "all",
      "allow",
      "deny",
      "**",
      "svc://a",
      "mon",
      "GET",
      "",
      "a b",
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 5 }, leaf, tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 3 }),
      object: fc.dictionary(name, tie("value"), { maxKeys: 5 }),
    }));
    const likely = fc
      .array(
        fc.record(
          {
            name: fc.constantFrom("a", "b"),
            effect: leaf,
            match: leaf,
            subject: value,
            time: value,
            x: leaf,
          },
          { requiredKeys: ["name", "effect"] },
        ),
        { maxLength: 1 },
      )
      .map((rules) => ({ version: 1, rules }));
    fc.assert(
      fc.property(fc.oneof(value, likely), (document) => {
        expect(problemOf(document) === undefined).toBe(fitsSchema(document));
      }),
      { numRuns: 3000 },
    );
  });
});
