import { randomBytes } from "node:crypto";
import { AmeshError, decodeUtf8 } from "@authmesh/core";
import { type Environment, passphrasePath } from "./folder.js";
import { readBounded } from "./internal/bounded-read.js";
import { createFile } from "./internal/durable-file.js";

export interface PassphraseSources {
  /** The folder of the identity. */
  readonly dir: string;
  readonly env: Environment;
  /** Asks a person; for opening only. */
  readonly promptPassphrase?: (() => Promise<string>) | undefined;
}

const maxBytes = 4096;

/** The order in which a passphrase is looked for (docs/protocol.md, section 11). */
const sources: readonly ((where: PassphraseSources) => string | undefined)[] = [
  ({ env }) => env["AUTH_MESH_PASSPHRASE"] || undefined,
  ({ env }) => {
    const path = env["AMESH_PASSPHRASE_FILE"];
    if (!path) return undefined;
    const passphrase = readPassphraseFile(path);
    if (passphrase !== undefined) return passphrase;
    throw new AmeshError("passphrase_missing", `AMESH_PASSPHRASE_FILE names ${path}, which does not exist.`);
  },
  ({ dir }) => readPassphraseFile(passphrasePath(dir)),
];

/**
 * The passphrase that opens the key file: `AUTH_MESH_PASSPHRASE`, the file `AMESH_PASSPHRASE_FILE` names, the file
 * that `createIdentity` generated, an answer to the prompt. A file's one trailing line end is not part of it.
 *
 * @throws AmeshError `passphrase_missing`, `storage_failed`
 */
export async function resolvePassphrase(where: PassphraseSources): Promise<string> {
  const passphrase = lookForPassphrase(where) ?? (await where.promptPassphrase?.());
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
  const generated = readPassphraseFile(path);
  return generated !== undefined && lookForPassphrase(where) === generated ? path : undefined;
}

function lookForPassphrase(where: PassphraseSources): string | undefined {
  for (const source of sources) {
    const passphrase = source(where);
    if (passphrase !== undefined) return passphrase;
  }
  return undefined;
}

function readPassphraseFile(path: string): string | undefined {
  const bytes = readBounded(path, maxBytes);
  if (bytes === undefined) return undefined;
  const passphrase = decodeUtf8(bytes)?.replace(/\r?\n$/, "");
  if (passphrase && bytes.length <= maxBytes) return passphrase;
  throw new AmeshError("passphrase_missing", `${path} is empty, longer than ${maxBytes} bytes, or not text.`);
}
