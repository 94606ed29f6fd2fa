import { AmeshError, type JsonValue } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readExchangeConfig } from "../../src/exchange/exchange-config.js";

const rule = {
  name: "deploy",
  provider: "github-actions",
  match: { repository_id: "74", ref: "refs/heads/main" },
  grant: { sub: "svc://ci/{repository}", aud: "https://api.example", act: "orders.write" },
};
const gitLabRule = {
  ...rule,
  provider: "gitlab",
  match: { project_id: 20 },
  grant: { ...rule.grant, sub: "svc://ci/x" },
};
const other = { name: "builds", issuer: "https://builds.example", claims: ["team"] };
const document = {
  providers: [{ preset: "github-actions" }, { preset: "gitlab", issuer: "https://gitlab.example" }, other],
  rules: [rule],
};
const withRule = (changes: object) => ({ ...document, rules: [{ ...rule, ...changes }] });
const withMatch = (match: object, more: object = {}) => withRule({ match, ...more });
const withGrant = (changes: object) => withRule({ grant: { ...rule.grant, ...changes } });
const withProvider = (...providers: object[]) => ({ providers, rules: [] });

function problemOf(value: unknown): string {
  try {
    readExchangeConfig(value as JsonValue);
    return "none";
  } catch (error) {
    expect(error).toBeInstanceOf(AmeshError);
    expect((error as AmeshError).code).toBe("exchange_config_invalid");
    return (error as AmeshError).message;
  }
}

describe("the configuration of the exchange", () => {
  it("knows where GitHub and GitLab are, and takes self-managed ones", () => {
    const { audience, providers, rules } = readExchangeConfig(document as JsonValue);
    expect(audience).toBeUndefined();
    expect(providers.map(({ name, issuer }) => `${name} ${issuer}`)).toEqual([
      "github-actions https://token.actions.githubusercontent.com",
      "gitlab https://gitlab.example",
      "builds https://builds.example",
    ]);
    expect(rules.map(({ name, grant }) => [name, grant.ttl])).toEqual([["deploy", 300]]);
  });

  it("takes two providers of one kind under names of their own", () => {
    const own = { preset: "github-actions", name: "ghes", issuer: "https://ghe.example/_services/token" };
    const { providers } = readExchangeConfig(withProvider({ preset: "github-actions" }, own) as JsonValue);
    expect(providers.map(({ name }) => name)).toEqual(["github-actions", "ghes"]);
  });

  it("takes other claims than sub for the owner's id, where they are named", () => {
    const builds = { ...other, identity: ["pipeline_id"] };
    const byId = {
      ...rule,
      provider: "builds",
      match: { pipeline_id: "1", sub: "acme:*" },
      grant: { ...rule.grant, sub: "job://x" },
    };
    const bySub = { ...byId, match: { sub: "acme:deploy" } };
    expect(problemOf({ providers: [builds], rules: [byId] })).toBe("none");
    expect(problemOf({ providers: [builds], rules: [bySub] })).toContain("by pipeline_id");
  });

  it.each<[problem: string, value: unknown]>([
    ["it is not an object", []],
    ['unknown member "providrs"; did you mean providers?', { ...document, providrs: [] }],
    [
      'match has an unknown member "repositoryid"; did you mean repository_id?',
      withMatch({ repositoryid: "74" }),
    ],
    ['match has an unknown member "sub"', withMatch({ repository_id: "74", sub: "repo:octo-org/octo-repo" })],
    ['grant has an unknown member "audience"', withGrant({ audience: "https://api.example" })],
    ["does not say whose jobs it is about, by repository_id or repository_owner_id", withMatch({})],
    ["does not say whose jobs it is about", withMatch({ ref: "refs/heads/main", environment: "prod" })],
    ["does not say whose jobs it is about", withMatch({ repository: "octo-org/octo-repo" })],
    [
      "does not say whose jobs it is about",
      withMatch({ job_workflow_ref: "octo-org/ci/.github/workflows/a.yml@**" }),
    ],
    ["by project_id or namespace_id", withRule({ ...gitLabRule, match: { project_path: "group/project" } })],
    ["by sub", withMatch({ team: "red" }, { provider: "builds" })],
    ["repository_id is compared exactly; write values without *", withMatch({ repository_id: "*" })],
    ["sub is compared exactly", withMatch({ sub: "*" }, { provider: "builds" })],
    ["event_name is compared exactly", withMatch({ repository_id: "74", event_name: "*" })],
    ["add ref_type, or use ref_path", withRule({ ...gitLabRule, match: { project_id: 20, ref: "main" } })],
    ["repository_id is not a value or a list of 1 to 64", withMatch({ repository_id: [] })],
    ["repository_id is not text", withMatch({ repository_id: [["74"]] })],
    ["repository_id is not text", withMatch({ repository_id: 7.5 })],
    ["repository_id is not text", withMatch({ repository_id: null })],
    [
      "provider names githup-actions, which is not configured; did you mean github-actions?",
      withRule({ provider: "githup-actions" }),
    ],
    ["grant.sub: a subject is agent, svc", withGrant({ sub: "{repository}" })],
    ["grant.sub: a subject is agent, svc", withGrant({ sub: "svc://ci/%" })],
    ["grant.sub: svc://device/… is for devices", withGrant({ sub: "svc://device/{repository}" })],
    ["names {repo}; there are: repository_id", withGrant({ sub: "svc://ci/{repo}" })],
    ["brace without its other half", withGrant({ sub: "svc://ci/{repository" })],
    ["two claims in one segment", withGrant({ sub: "svc://ci/{ref}-{environment}" })],
    [
      "more than one path",
      withRule({ ...gitLabRule, grant: { ...rule.grant, sub: "svc://{project_path}/{namespace_path}" } }),
    ],
    ["ttl is not an integer from 1 to 300", withGrant({ ttl: 301 })],
    ["ttl is not an integer from 1 to 300", withGrant({ ttl: "60" })],
    ["aud is not a value or a list", withGrant({ aud: [] })],
    ["rules[0].grant.act is missing", withGrant({ act: undefined })],
    ["two rules have the name deploy", { ...document, rules: [rule, rule] }],
    [
      "two providers have the name gitlab",
      withProvider({ preset: "gitlab" }, { preset: "gitlab", issuer: "https://gitlab.example" }),
    ],
    [
      "two providers have the issuer",
      withProvider({ preset: "gitlab" }, { preset: "gitlab", name: "second" }),
    ],
    ["preset is not github-actions or gitlab", withProvider({ preset: "github" })],
    ["issuer is missing", withProvider({ name: "builds" })],
    ["name is missing", withProvider({ issuer: "https://builds.example" })],
    ["issuer is not an https URL", withProvider({ name: "builds", issuer: "http://builds.example" })],
    ["issuer is not an https URL", withProvider({ name: "builds", issuer: "https://builds.example/?x=1" })],
    [
      "issuer is not an https URL",
      withProvider({ name: "builds", issuer: "https://user:word@builds.example" }),
    ],
    [
      "a preset, which says what claims there are",
      withProvider({ preset: "gitlab", claims: ["user_login"] }),
    ],
    [
      "both jwksUri and jwksOrigins",
      withProvider({ ...other, jwksUri: "https://a.example/k", jwksOrigins: ["https://a.example"] }),
    ],
    [
      "a member of providers[0].source is not repo or workflow",
      withProvider({ ...other, source: { repository: "team" } }),
    ],
  ])("is refused where %s", (problem, value) => {
    expect(problemOf(JSON.parse(JSON.stringify(value)))).toContain(problem);
  });

  it("is refused by name or accepted, whatever it holds", () => {
    const words = [
      ...Object.keys(document),
      ...Object.keys(rule),
      ...Object.keys(rule.grant),
      "preset",
      "gitlab",
    ];
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        fc.constantFrom<JsonValue>(...words, "{repository}", 74, null, true),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...words, "__proto__", "constructor"), tie("tree"), { maxKeys: 5 }),
      ),
    }));
    fc.assert(fc.property(tree, (value) => void problemOf(JSON.parse(JSON.stringify(value)))));
    const changed = fc
      .record({ provider: fc.constantFrom("gitlab", "builds", "github-actions"), match: tree, grant: tree })
      .map((parts) => withRule(parts));
    fc.assert(fc.property(changed, (value) => void problemOf(JSON.parse(JSON.stringify(value)))));
  });
});
