import { randomBytes } from "node:crypto";
import { AmeshError } from "@authmesh/core";
import { type Environment, passphrasePath } from "./folder.js";
import { createFile } from "./internal/durable-file.js";
import { type PromptSecret, readSecretFile, type SecretSource, secretFrom } from "./secret-source.js";

export interface PassphraseSources {
  /** The folder of the identity. */
  readonly dir: string;
  readonly env: Environment;
  /** Asks a person; for opening only. */
  readonly promptSecret?: PromptSecret | undefined;
}

const source: SecretSource = {
  variable: "AUTH_MESH_PASSPHRASE",
  fileVariable: "AMESH_PASSPHRASE_FILE",
  missing: "passphrase_missing",
};

/**
 * The passphrase that opens the key file: `AUTH_MESH_PASSPHRASE`, the file `AMESH_PASSPHRASE_FILE` names, the file
 * that `createIdentity` generated, an answer to the prompt (docs/protocol.md, section 11).
 *
 * @throws AmeshError `passphrase_missing`, `storage_failed`
 */
export async function resolvePassphrase(where: PassphraseSources): Promise<string> {
  const passphrase = lookForPassphrase(where) ?? (await where.promptSecret?.("Passphrase of the key file"));
  if (passphrase) return passphrase;
  const generated = passphrasePath(where.dir);
  throw new AmeshError(
    "passphrase_missing",
    `Neither AUTH_MESH_PASSPHRASE nor AMESH_PASSPHRASE_FILE is set, and there is no ${generated}.`,
    {
      fix: `Set AUTH_MESH_PASSPHRASE or AMESH_PASSPHRASE_FILE, or put back ${generated} if it was generated.`,
    },
  );
}

/**
 * The passphrase for a new key. With none given, 32 random bytes go into a file of their own (0400); nobody is asked.
 *
 * @throws AmeshError `passphrase_missing` for an AMESH_PASSPHRASE_FILE that is empty or absent; `storage_failed`
 */
export async function passphraseForNewKey(where: PassphraseSources): Promise<string> {
  if (lookForPassphrase(where) === undefined) {
    await createFile(passphrasePath(where.dir), `${randomBytes(32).toString("base64url")}\n`, 0o400);
  }
  return resolvePassphrase(where);
}

/** The generated file, when the passphrase comes from there. */
export function generatedPassphraseInUse(where: PassphraseSources): string | undefined {
  const path = passphrasePath(where.dir);
  const generated = readSecretFile(path, source);
  return generated !== undefined && lookForPassphrase(where) === generated ? path : undefined;
}

const lookForPassphrase = ({ dir, env }: PassphraseSources): string | undefined =>
  secretFrom(source, env) ?? readSecretFile(passphrasePath(dir), source);
