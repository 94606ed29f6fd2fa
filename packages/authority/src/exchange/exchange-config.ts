import type { JsonValue } from "@authmesh/core";
import { listOf, Misfit, optional, type Reader, record, text, withCode } from "@authmesh/core/records";
import type { Provider } from "./provider.js";
import { providerReader } from "./provider-config.js";
import { ruleReader } from "./rule-config.js";
import type { TrustRule } from "./trust-rule.js";

/** Whose tokens are exchanged, and for what (docs/protocol.md, section 8.10). */
export interface ExchangeConfig {
  /** The `aud` that the providers' tokens must have; undefined: the authority's own issuer URL. */
  readonly audience: string | undefined;
  readonly providers: readonly Provider[];
  /** The first that grants what is asked for decides; what none grants is denied. */
  readonly rules: readonly TrustRule[];
}

const audience = text(/^[\x21-\x7e]{1,512}$/, "text of 1 to 512 visible ASCII characters");
const asItIs: Reader<JsonValue> = (value) => value;

const shape = record({
  audience: optional(audience),
  providers: listOf(providerReader, 32),
  // Read when the providers are known.
  rules: asItIs,
});

/**
 * Reads the exchange's part of an authority's configuration. Nothing is guessed: a member that is not known, a claim
 * that the provider does not have, and a rule that does not say for good whose jobs it is about, are refused.
 *
 * @throws AmeshError `exchange_config_invalid`
 */
export function readExchangeConfig(value: JsonValue): ExchangeConfig {
  return withCode(() => read(value), "exchange_config_invalid", "The configuration of the exchange");
}

function read(value: JsonValue): ExchangeConfig {
  const { audience, providers, rules: described } = shape(value, "");
  const rules = listOf(ruleReader(providers), 10_000)(described, "rules");
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
  return { audience, providers, rules };
}

function refuseDoubles(names: readonly string[], what: string): void {
  const seen = new Set<string>();
  const double = names.find((name) => seen.size === seen.add(name).size);
  if (double !== undefined) throw new Misfit(`two ${what} ${double}`);
}
