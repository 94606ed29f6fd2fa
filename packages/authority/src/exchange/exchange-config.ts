import { type JsonObject, type JsonValue, mostSimilar } from "@authmesh/core";
import {
  integer,
  listOf,
  Misfit,
  oneOf,
  optional,
  type Reader,
  type RecordOf,
  record,
  text,
  unknownMember,
  withCode,
} from "@authmesh/core/records";
import { longestLife, trustworthyUrl } from "@authmesh/oath";
import { type ClaimCondition, comparesGlobs, compileCondition } from "./claim-condition.js";
import { type ClaimTemplate, readTemplate } from "./claim-template.js";
import { subjectProblem } from "./granted-subject.js";
import type { Provider } from "./provider.js";
import { otherProvider, type ProviderKind, providerKinds } from "./provider-kinds.js";
import type { Grant, TrustRule } from "./trust-rule.js";

/** Whose tokens are exchanged, and for what (docs/protocol.md, section 8.10). */
export interface ExchangeConfig {
  /** The `aud` that the providers' tokens must have; undefined: the authority's own issuer URL. */
  readonly audience: string | undefined;
  readonly providers: readonly Provider[];
  /** The first that grants what is asked for decides; what none grants is denied. */
  readonly rules: readonly TrustRule[];
}

const name = text(/^[a-z][a-z0-9-]{0,63}$/, "a name of lower-case letters, digits and hyphens");
const claimName = text(/^[A-Za-z][\w.:/-]{0,127}$/, "the name of a claim");
const word = text(/^[\x21-\x7e]{1,512}$/, "text of 1 to 512 visible ASCII characters");
const template = text(/^[\x21-\x7e]{1,512}$/, "a template such as svc://ci/{repository}");
const ruleName = text(/^[\x20-\x7e]{1,128}$/, "a name of 1 to 128 characters");
const source = oneOf("repo", "workflow", "ref", "run_id", "sha", "environment");

/** For trust; compared with `iss` to the letter, and never normalised. */
const issuerUrl: Reader<string> = (value, at) => {
  const url = typeof value === "string" && value.length <= 512 ? trustworthyUrl(value) : undefined;
  if (url !== undefined && url.search === "") return value as string;
  throw new Misfit(`${at} is not an https URL without a query (or http on loopback)`);
};

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

/** Members whose names the provider decides. */
const anyMembers: Reader<JsonObject> = (value, at) => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new Misfit(`${at} is not an object`);
};

const providerMembers = {
  preset: optional(oneOf(...(Object.keys(providerKinds) as (keyof typeof providerKinds)[]))),
  name: optional(name),
  issuer: optional(issuerUrl),
  jwksUri: optional(issuerUrl),
  jwksOrigins: optional(listOf(issuerUrl, 8)),
  claims: optional(listOf(claimName, 64)),
  source: optional(anyMembers),
};

const ruleMembers = {
  name: ruleName,
  provider: name,
  match: anyMembers,
  grant: record({
    sub: template,
    aud: oneOrMore,
    act: oneOrMore,
    scope: optional(listOf(word, 64)),
    ttl: optional(integer(1, longestLife)),
    env: optional(template),
  }),
};

const document = record({
  audience: optional(word),
  providers: listOf(record(providerMembers), 32),
  rules: listOf(record(ruleMembers), 10_000),
});

/**
 * Reads the exchange's part of an authority's configuration. Nothing is guessed: a member that is not known, a claim
 * that the provider does not have, and a rule that does not say for good whose jobs it is about, are refused.
 *
 * @throws AmeshError `exchange_config_invalid`
 */
export function readExchangeConfig(value: JsonValue): ExchangeConfig {
  return withCode(
    () => {
      const { audience, providers: described, rules } = document(value, "");
      const providers = described.map((provider, i) => readProvider(provider, `providers[${i}]`));
      refuseDoubles(
        providers.map(({ name }) => name),
        "providers have the name",
      );
      refuseDoubles(
        providers.map(({ issuer }) => issuer),
        "providers have the issuer",
      );
      refuseDoubles(
        rules.map(({ name }) => name),
        "rules have the name",
      );
      const byName = new Map(providers.map((provider) => [provider.name, provider]));
      return {
        audience,
        providers,
        rules: rules.map((rule, i) => readRule(rule, byName, `rules[${i}]`)),
      };
    },
    "exchange_config_invalid",
    "The configuration of the exchange",
  );
}

type DescribedProvider = RecordOf<typeof providerMembers>;
type DescribedRule = RecordOf<typeof ruleMembers>;

function readProvider(described: DescribedProvider, at: string): Provider {
  const { preset, jwksUri, jwksOrigins, claims = [], source: members = {} } = described;
  if (jwksUri !== undefined && jwksOrigins !== undefined)
    throw new Misfit(`${at} has both jwksUri and jwksOrigins; the first needs no second`);
  if (preset !== undefined && (described.claims ?? described.source) !== undefined)
    throw new Misfit(`${at} has a preset, which says what claims there are; leave claims and source out`);
  const kind: ProviderKind = preset === undefined ? otherProvider : providerKinds[preset];
  const issuer = described.issuer ?? kind.issuer;
  if (issuer === undefined) throw new Misfit(`${at}.issuer is missing`);
  const name = described.name ?? preset;
  if (name === undefined) throw new Misfit(`${at}.name is missing`);
  const known = { ...Object.fromEntries(claims.map((claim) => [claim, "glob" as const])), ...kind.claims };
  return {
    ...kind,
    name,
    issuer,
    claims: known,
    source: preset === undefined ? readSource(members, `${at}.source`) : kind.source,
    ...(jwksUri === undefined ? {} : { jwksUri }),
    ...(jwksOrigins === undefined ? {} : { jwksOrigins }),
  };
}

function readSource(members: JsonObject, at: string): ProviderKind["source"] {
  return Object.fromEntries(
    Object.entries(members).map(([member, claim]) => [
      source(member, `a member of ${at}`),
      claimName(claim, `${at}.${member}`),
    ]),
  );
}

function readRule(described: DescribedRule, providers: ReadonlyMap<string, Provider>, at: string): TrustRule {
  const provider = providers.get(described.provider);
  if (provider === undefined) throw unknownProvider(described.provider, [...providers.keys()], at);
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

function refuseDoubles(names: readonly string[], what: string): void {
  const double = names.find((name, i) => names.indexOf(name) < i);
  if (double !== undefined) throw new Misfit(`two ${what} ${double}`);
}

function unknownProvider(name: string, known: readonly string[], at: string): Misfit {
  const meant = mostSimilar(name, known);
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  return new Misfit(`${at}.provider names ${name}, which is not configured${hint}`);
}
