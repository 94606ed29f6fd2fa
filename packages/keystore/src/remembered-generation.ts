import { AmeshError, decodeUtf8, type Failure, failure, utf8 } from "@authmesh/core";
import { maxGeneration } from "./allow-list-format.js";
import type { KeyStore } from "./key-store.js";

/**
 * The generation of the allow list that the key store saw last; 0 for a store that cannot remember. A store that
 * could and does not is a failure: somebody made it forget.
 *
 * @throws AmeshError when the key store cannot be asked
 */
export async function recallGeneration(keyStore: KeyStore, alias: string): Promise<number | Failure> {
  if (keyStore.recall === undefined) return 0;
  try {
    const bytes = await keyStore.recall(alias);
    if (bytes === undefined) return failure("allow_list_rollback", "The key store remembers no allow list.");
    const generation = /^[1-9][0-9]{0,15}$/.test(decodeUtf8(bytes) ?? "") ? Number(decodeUtf8(bytes)) : 0;
    if (generation >= 1 && generation <= maxGeneration) return generation;
    return failure("allow_list_rollback", "What the key store remembers of the allow list is no number.");
  } catch (error) {
    if (error instanceof AmeshError && error.code === "key_store_damaged")
      return failure("allow_list_rollback", error.message);
    throw error;
  }
}

export async function rememberGeneration(
  keyStore: KeyStore,
  alias: string,
  generation: number,
): Promise<void> {
  await keyStore.remember?.(alias, utf8(String(generation)));
}
