import type { JsonObject } from "@authmesh/core";
import { listOf, Misfit, oneOf, optional, type Reader, record, text } from "@authmesh/core/records";
import { trustworthyUrl } from "@authmesh/oath";
import { claimsByName, name } from "./config-readers.js";
import type { Provider } from "./provider.js";
import { type ClaimUse, otherProvider, type ProviderKind, providerKinds } from "./provider-kinds.js";

const claimName = text(/^[A-Za-z][\w.:/-]{0,127}$/, "the name of a claim");
const source = oneOf("repo", "workflow", "ref", "run_id", "sha", "environment");

/** For trust; compared with `iss` to the letter, and never normalised. */
const issuerUrl: Reader<string> = (value, at) => {
  const url = typeof value === "string" && value.length <= 512 ? trustworthyUrl(value) : undefined;
  if (url !== undefined && url.search === "") return value as string;
  throw new Misfit(`${at} is not an https URL without a query (or http on loopback)`);
};

const shape = record({
  preset: optional(oneOf(...(Object.keys(providerKinds) as (keyof typeof providerKinds)[]))),
  name: optional(name),
  issuer: optional(issuerUrl),
  jwksUri: optional(issuerUrl),
  jwksOrigins: optional(listOf(issuerUrl, 8)),
  identity: optional(listOf(claimName, 8)),
  claims: optional(listOf(claimName, 64)),
  source: optional(claimsByName),
});

type DescribedProvider = ReturnType<typeof shape>;

/** A provider as the configuration describes it: by a preset, or by all that a preset would say. */
export const providerReader: Reader<Provider> = (value, at) => readProvider(shape(value, at), at);

function readProvider(described: DescribedProvider, at: string): Provider {
  const { preset, jwksUri, jwksOrigins } = described;
  if (jwksUri !== undefined && jwksOrigins !== undefined)
    throw new Misfit(`${at} has both jwksUri and jwksOrigins; the first needs no second`);
  const kind = preset === undefined ? readKind(described, at) : presetKind(preset, described, at);
  const issuer = described.issuer ?? kind.issuer;
  if (issuer === undefined) throw new Misfit(`${at}.issuer is missing`);
  const name = described.name ?? preset;
  if (name === undefined) throw new Misfit(`${at}.name is missing`);
  return {
    ...kind,
    name,
    issuer,
    ...(jwksUri === undefined ? {} : { jwksUri }),
    ...(jwksOrigins === undefined ? {} : { jwksOrigins }),
  };
}

function presetKind(
  preset: keyof typeof providerKinds,
  { identity, claims, source }: DescribedProvider,
  at: string,
): ProviderKind {
  if ((identity ?? claims ?? source) !== undefined)
    throw new Misfit(
      `${at} has a preset, which says what claims there are; leave identity, claims and source out`,
    );
  return providerKinds[preset];
}

function readKind(
  { identity = ["sub"], claims = [], source = {} }: DescribedProvider,
  at: string,
): ProviderKind {
  const uses = (names: readonly string[], use: ClaimUse) => names.map((name) => [name, use] as const);
  return {
    ...otherProvider,
    claims: Object.fromEntries([...uses(["sub", ...claims], "glob"), ...uses(identity, "identity")]),
    source: readSource(source, `${at}.source`),
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
