import { AmeshError, type Failure, failure } from "@authmesh/core";
import { identityPath } from "./folder.js";
import {
  findIdentity,
  type Identity,
  readIdentity,
  replaceIdentity,
  writeIdentity,
} from "./identity-file.js";
import { removeFile } from "./internal/durable-file.js";
import type { HeldLock } from "./internal/folder-lock.js";

/**
 * How far a folder has come on its way to another key (docs/protocol.md, section 11.10). Two files say so:
 * identity.next.json is there until the next key is in use, identity.previous.json from just before until the old
 * key is deleted.
 */
export interface Migration {
  readonly stage: MigrationStage;
  /** In use. */
  readonly current: Identity;
  readonly next?: Identity;
  readonly previous?: Identity;
}

export type MigrationStage = "none" | "prepared" | "finishing" | "finished";

/** Reads files only. @throws AmeshError `identity_not_found`, `identity_damaged`, `storage_failed` */
export function readMigration(dir: string): Migration {
  const current = readIdentity(dir).identity;
  const next = findBeside(dir, "identity.next.json");
  const previous = findBeside(dir, "identity.previous.json");
  const stage = next ? (previous ? "finishing" : "prepared") : previous ? "finished" : "none";
  return { stage, current, ...(next && { next }), ...(previous && { previous }) };
}

/** How each stage reads to people, and what leads on. */
export const migrationStages: Readonly<Record<MigrationStage, Failure>> = {
  none: failure("migration_not_found"),
  prepared: failure(
    "migration_unfinished",
    "There is a new key that is not in use yet.",
    "`amesh init --migrate` shows who must know it. Then: amesh init --migrate --finish (or --cancel)",
  ),
  finishing: failure(
    "migration_unfinished",
    "Going over to a new key was interrupted.",
    "Run `amesh init --migrate --finish` again; `amesh init --replace-lost` if the old key is lost.",
  ),
  finished: failure(
    "migration_unfinished",
    "The previous key is still there.",
    "Once no running program uses it: amesh init --migrate --forget-previous",
  ),
};

/** Reads the migration, which must have come as far as one of `stages`. @throws also AmeshError `migration_…` */
export function migrationAt<S extends MigrationStage>(dir: string, ...stages: readonly S[]): At<S> {
  const migration = readMigration(dir);
  if ((stages as readonly MigrationStage[]).includes(migration.stage)) return migration as At<S>;
  throw new AmeshError(migrationStages[migration.stage]);
}

/** What is there at these stages: what is there at each. */
type At<S extends MigrationStage> = Migration &
  ([S] extends ["prepared" | "finishing"] ? { readonly next: Identity } : unknown) &
  ([S] extends ["finishing" | "finished"] ? { readonly previous: Identity } : unknown);

/** Marks that going over has begun. From here on it can only be completed. */
export async function keepPrevious(dir: string, { current, previous }: Migration): Promise<void> {
  if (previous === undefined) await writeIdentity(dir, current, "identity.previous.json");
}

/** The last step of going over: the folder is that of the next key. */
export async function goOver(lock: HeldLock, dir: string, next: Identity): Promise<void> {
  await replaceIdentity(dir, next, () => lock.assertHeld());
  await removeFile(identityPath(dir, "identity.next.json"));
}

function findBeside(
  dir: string,
  file: "identity.next.json" | "identity.previous.json",
): Identity | undefined {
  try {
    return findIdentity(dir, file)?.identity;
  } catch (error) {
    if (!(error instanceof AmeshError && error.code === "identity_damaged")) throw error;
    const fix = `Restore ${identityPath(dir, file)} from a backup, or move it out of the way.`;
    throw new AmeshError("identity_damaged", error.message, { fix, cause: error });
  }
}
