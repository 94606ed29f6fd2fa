import { type JsonObject, type JsonValue, mostSimilar } from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  optional,
  type Reader,
  record,
  text,
  unknownMember,
} from "@authmesh/core/records";
import { longestLife } from "@authmesh/oath";
import { type ClaimCondition, comparesGlobs, compileCondition } from "./claim-condition.js";
import { type ClaimTemplate, readTemplate } from "./claim-template.js";
import { claimsByName, name } from "./config-readers.js";
import { subjectProblem } from "./granted-subject.js";
import type { Provider } from "./provider.js";
import type { Grant, TrustRule } from "./trust-rule.js";

const word = text(/^[\x21-\x7e]{1,512}$/, "text of 1 to 512 visible ASCII characters");
const template = text(/^[\x21-\x7e]{1,512}$/, "a template such as svc://ci/{repository}");
const ruleName = text(/^[\x20-\x7e]{1,128}$/, "a name of 1 to 128 characters");

/** A value, or a list of which one is enough. Ids and flags may be written as numbers and booleans. */
const oneOrMore: Reader<readonly string[]> = (value, at) => {
  const values = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  if (values.length < 1 || values.length > 64) throw new Misfit(`${at} is not a value or a list of 1 to 64`);
  return values.map((one) => {
    if (typeof one === "string" && one !== "" && one.length <= 512) return one;
    if (typeof one === "boolean" || Number.isSafeInteger(one)) return String(one);
    throw new Misfit(`${at} is not text of 1 to 512 characters`);
  });
};

const shape = record({
  name: ruleName,
  provider: name,
  match: claimsByName,
  grant: record({
    sub: template,
    aud: oneOrMore,
    act: oneOrMore,
    scope: optional(listOf(word, 64)),
    ttl: optional(integer(1, longestLife)),
    env: optional(template),
  }),
});

type DescribedRule = ReturnType<typeof shape>;

/** A rule about jobs of one of these providers. */
export const ruleReader =
  (providers: readonly Provider[]): Reader<TrustRule> =>
  (value, at) =>
    readRule(shape(value, at), providers, at);

function readRule(described: DescribedRule, providers: readonly Provider[], at: string): TrustRule {
  const provider = providers.find(({ name }) => name === described.provider);
  if (provider === undefined) throw unknownProvider(described.provider, providers, at);
  return {
    name: described.name,
    provider,
    conditions: readConditions(described.match, provider, `${at}.match`),
    grant: readGrant(described.grant, provider, `${at}.grant`),
  };
}

function readConditions(match: JsonObject, provider: Provider, at: string): readonly ClaimCondition[] {
  const conditions = Object.entries(match).map(([claim, value]) => {
    const use = Object.hasOwn(provider.claims, claim) ? provider.claims[claim] : undefined;
    if (use === undefined) throw unknownMember(claim, Object.keys(provider.claims), at);
    const expected = oneOrMore(value, `${at}.${claim}`);
    if (!comparesGlobs(use) && expected.some((text) => text.includes("*")))
      throw new Misfit(`${at}.${claim} is compared exactly; write values without *`);
    return compileCondition(claim, use, expected);
  });
  const owners = conditions.filter(({ use }) => use === "identity");
  if (owners.length === 0) throw ownerMissing(provider, at);
  const { ambiguous } = provider;
  if (
    ambiguous !== undefined &&
    Object.hasOwn(match, ambiguous.claim) &&
    !Object.hasOwn(match, ambiguous.without)
  )
    throw new Misfit(
      `${at}.${ambiguous.claim} is the name of a branch or of a tag; add ${ambiguous.without}, or use ${ambiguous.better}`,
    );
  return [...owners, ...conditions.filter((condition) => !owners.includes(condition))];
}

function ownerMissing({ claims }: Provider, at: string): Misfit {
  const owners = Object.keys(claims).filter((claim) => claims[claim] === "identity");
  return new Misfit(`${at} does not say whose jobs it is about, by ${owners.join(" or ")}`, {
    fix: "Name the id, which stays when a name is given up and taken by somebody else. For GitHub: `gh api repos/OWNER/REPO --jq .id`; GitLab shows it on the project's page.",
  });
}

function readGrant(described: DescribedRule["grant"], provider: Provider, at: string): Grant {
  const { sub, aud, act, scope = [], ttl = longestLife, env } = described;
  const subject = readClaimTemplate(sub, provider, `${at}.sub`);
  const sample = subject.parts.map((part) => (typeof part === "string" ? part : "x")).join("");
  const problem = subjectProblem(sample);
  if (problem !== undefined) throw new Misfit(`${at}.sub: ${problem}`);
  return {
    sub: subject,
    aud,
    act,
    scope,
    ttl,
    ...(env === undefined ? {} : { env: readClaimTemplate(env, provider, `${at}.env`) }),
  };
}

function readClaimTemplate(template: string, provider: Provider, at: string): ClaimTemplate {
  const read = readTemplate(template, provider);
  if ("problem" in read) throw new Misfit(`${at} ${read.problem}`);
  return read.template;
}

function unknownProvider(name: string, providers: readonly Provider[], at: string): Misfit {
  const meant = mostSimilar(
    name,
    providers.map(({ name }) => name),
  );
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  return new Misfit(`${at}.provider names ${name}, which is not configured${hint}`);
}
