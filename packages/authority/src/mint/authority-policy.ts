import { AmeshError, decodeUtf8, type JsonValue, parseStrictJson } from "@authmesh/core";
import { oneOf, optional, record, withCode } from "@authmesh/core/records";
import { parseStrictYaml } from "@authmesh/oath/document";
import { type ExchangeConfig, readExchangeConfig } from "../exchange/exchange-config.js";
import { type MintRules, mintRules } from "./mint-rules.js";

/** What an authority's policy says: who may mint what, and whose tokens are exchanged for what. */
export interface AuthorityPolicy {
  readonly mint: MintRules;
  /** Absent: nothing is exchanged. */
  readonly exchange?: ExchangeConfig;
}

const shape = record({
  version: oneOf(1),
  mint: optional(mintRules),
  exchange: optional((value: JsonValue) => readExchangeConfig(value)),
});

const mostBytes = 1_048_576;
const code = "authority_policy_invalid";

/**
 * Reads a policy, YAML or (where `name` ends in .json) JSON. Nothing is guessed: a member that is not known is refused.
 *
 * @param name of the file, for errors
 * @throws AmeshError `authority_policy_invalid`, `exchange_config_invalid`
 */
export function readAuthorityPolicy(bytes: Uint8Array, name: string): AuthorityPolicy {
  const text = bytes.length > mostBytes ? undefined : decodeUtf8(bytes);
  if (text === undefined)
    throw new AmeshError(code, `${name} is no UTF-8 text of at most ${mostBytes} bytes.`);
  const { value, problem, position } = parse(text, name);
  if (value === undefined) {
    const place = position === undefined ? "" : `:${position.line}:${position.column}`;
    throw new AmeshError(code, `${name}${place} cannot be read: ${problem}.`);
  }
  const { mint = noRules, exchange } = withCode(() => shape(value, ""), code, name);
  return { mint, ...(exchange === undefined ? {} : { exchange }) };
}

interface Parsed {
  readonly value?: JsonValue | undefined;
  readonly problem?: string | undefined;
  readonly position?: { readonly line: number; readonly column: number };
}

const parse = (text: string, name: string): Parsed =>
  name.endsWith(".json") ? parseStrictJson(text, { maxLength: mostBytes }) : parseStrictYaml(text);

/** Without a rule nothing is granted. */
export const noRules: MintRules = mintRules([], "mint");
