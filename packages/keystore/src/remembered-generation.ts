import { AmeshError, decodeUtf8, type Failure, failure, utf8 } from "@authmesh/core";
import { deviceIdForm } from "@authmesh/core/records";
import { maxGeneration } from "./allow-list-format.js";
import { AliasFiles } from "./drivers/alias-files.js";
import type { KeyStore } from "./key-store.js";

export type Memory = Required<Pick<KeyStore, "remember" | "recall">>;

/**
 * Where the generation of the allow list is remembered: by the key store, or for one that cannot, in `ALIAS.remembered`
 * in the folder, under a MAC by its sealing secret (docs/protocol.md, section 11.6).
 */
export function memoryOf(keyStore: KeyStore, dir: string, sealingSecret: Uint8Array): Memory {
  const { remember, recall } = keyStore;
  if (remember !== undefined && recall !== undefined)
    return { remember: remember.bind(keyStore), recall: recall.bind(keyStore) };
  const files = new AliasFiles({ dir, kind: "remembered", maxBytes: 4096 });
  return {
    remember: (alias, bytes) => files.remember(alias, bytes, async () => sealingSecret),
    recall: async (alias) => files.recall(alias, sealingSecret),
  };
}

/** What is remembered: how far the allow list has come, or which device this one has become. */
const spellings = { generation: /^[1-9][0-9]{0,15}$/, successor: deviceIdForm } as const;

/**
 * The generation of the allow list that was remembered last. None is a failure: somebody made it forget.
 *
 * @throws AmeshError when the key store cannot be asked
 */
export async function recallGeneration(memory: Memory, alias: string): Promise<number | Failure> {
  const remembered = await recallText(memory, alias);
  if (typeof remembered === "object") return remembered;
  if (remembered === undefined)
    return failure("allow_list_rollback", "The key store remembers no allow list.");
  const generation = spellings.generation.test(remembered) ? Number(remembered) : 0;
  if (generation >= 1 && generation <= maxGeneration) return generation;
  return spellings.successor.test(remembered)
    ? failure("allow_list_rollback", `The allow list has moved to ${remembered}.`)
    : failure("allow_list_rollback", "What the key store remembers of the allow list is no number.");
}

/** Undefined when there is nothing, a failure when it was changed by something else. */
async function recallText(memory: Memory, alias: string): Promise<string | Failure | undefined> {
  try {
    const bytes = await memory.recall(alias);
    return bytes && (decodeUtf8(bytes) ?? "");
  } catch (error) {
    if (error instanceof AmeshError && error.code === "key_store_damaged")
      return failure("allow_list_rollback", error.message);
    throw error;
  }
}

export const rememberGeneration = (memory: Memory, alias: string, generation: number): Promise<void> =>
  memory.remember(alias, utf8(String(generation)));

export const rememberSuccessor = (memory: Memory, alias: string, deviceId: string): Promise<void> =>
  memory.remember(alias, utf8(deviceId));
