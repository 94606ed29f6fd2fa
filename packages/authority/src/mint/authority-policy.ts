import type { JsonValue } from "@authmesh/core";
import { oneOf, optional, type Reader, readDocument, record } from "@authmesh/core/records";
import { type MintRules, mintRules } from "./mint-rules.js";

/** What an authority's policy says: who may mint what, and whose tokens are exchanged for what. */
export interface AuthorityPolicy {
  readonly mint: MintRules;
  /** For `readExchangeConfig`; absent: nothing is exchanged. */
  readonly exchange?: JsonValue;
}

const asItIs: Reader<JsonValue> = (value) => value;

const shape = record({ version: oneOf(1), mint: optional(mintRules), exchange: optional(asItIs) });

const mostBytes = 1_048_576;

/**
 * Reads a policy. Nothing is guessed: a member that is not known is refused.
 *
 * @param name what errors call it
 * @throws AmeshError `authority_policy_invalid`
 */
export function readAuthorityPolicy(text: Uint8Array, name: string): AuthorityPolicy {
  const limits = { maxLength: mostBytes };
  const { mint, exchange } = readDocument(text, shape, "authority_policy_invalid", name, limits);
  return { mint: mint ?? noRules, ...(exchange === undefined ? {} : { exchange }) };
}

/** Without a rule nothing is granted. */
export const noRules: MintRules = mintRules([], "mint");
