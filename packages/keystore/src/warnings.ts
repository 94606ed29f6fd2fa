import type { Identity } from "./identity-file.js";
import { inspectStorage } from "./inspect-storage.js";
import type { KeyStoreContext } from "./key-store-drivers.js";
import { generatedPassphraseInUse } from "./passphrase.js";

/** Something to tell the operator, though all went well. */
export interface Warning {
  readonly code: "passphrase_generated" | "key_adopted" | "allow_list_set_aside" | "storage_exposed";
  readonly message: string;
  readonly path: string;
}

/**
 * What there is to tell of a folder in which an identity was made.
 *
 * @param adopted the identity whose key was there already
 * @param aside where a list is kept that was not gone on with
 */
export function warningsOf(
  { dir, env }: KeyStoreContext,
  adopted?: Identity,
  aside?: string,
): readonly Warning[] {
  const warnings: Warning[] = [...passphraseWarning({ dir, env })];
  if (adopted !== undefined) {
    const message = `A key was in ${dir} already, that of ${adopted.deviceId}; amesh went on with it. That is right after an \`amesh init\` that was interrupted. Otherwise find out who removed identity.json, or move the folder away and run \`amesh init\` again.`;
    warnings.push({ code: "key_adopted", path: dir, message });
  }
  if (aside !== undefined) {
    const message = `There was an allow list that does not belong to this key, or that cannot be shown to be its latest; it is kept as ${aside} and nobody in it is accepted.`;
    warnings.push({ code: "allow_list_set_aside", path: aside, message });
  }
  for (const { path, problem, fix } of inspectStorage(dir)) {
    if (path === dir)
      warnings.push({ code: "storage_exposed", path, message: `${path}: ${problem}. Run \`${fix}\`.` });
  }
  return warnings;
}

/** A warning where the passphrase lies beside the key, else none. */
export function passphraseWarning(where: Pick<KeyStoreContext, "dir" | "env">): readonly Warning[] {
  const path = generatedPassphraseInUse(where);
  if (path === undefined) return [];
  const message = `The key is encrypted under a generated passphrase that is kept in ${path}. That protects a copy of the key file alone; it does not protect against whoever can read this folder. Set AUTH_MESH_PASSPHRASE or AMESH_PASSPHRASE_FILE beforehand to keep the passphrase elsewhere.`;
  return [{ code: "passphrase_generated", path, message }];
}
