import { AmeshError } from "@authmesh/core";
import { AllowListFile, type AllowListOwner, isFailure } from "./allow-list-file.js";
import { emptyAllowList } from "./allow-list-format.js";

export interface RepairOptions {
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * Accepts the allow list as it stands though a later one was seen (`amesh repair --accept`, after a backup was
 * restored on purpose). Only its age is forgiven: the seal must fit. A process that saw the later list refuses this
 * one until it is restarted, unless the key store still remembered how far the generations had come.
 *
 * @returns the generation it has now
 * @throws AmeshError `allow_list_damaged`, `allow_list_integrity_failure`, `allow_list_missing`, `storage_failed`
 */
export async function acceptAllowList(owner: AllowListOwner, options: RepairOptions = {}): Promise<number> {
  const file = await AllowListFile.of(owner);
  return file.locked(async (lock) => {
    const present = file.read();
    if (isFailure(present)) throw new AmeshError(present);
    const generation = Math.max(present.generation, await file.lastRemembered()) + 1;
    await file.write(lock, present, generation, secondsOf(options));
    return generation;
  });
}

/**
 * Starts an empty allow list in the place of one that is lost or cannot be trusted (`amesh repair --new-list`). The
 * old file is kept under another name. Everybody has to be paired again, and revocations are forgotten.
 *
 * @param options.maxControllers of the new list, 1 to 1000; default 1
 * @returns where the old file is now, if there was one
 * @throws AmeshError `storage_failed`, `allow_list_locked`
 */
export async function startNewAllowList(
  owner: AllowListOwner,
  options: RepairOptions & { readonly maxControllers?: number | undefined } = {},
): Promise<string | undefined> {
  const file = await AllowListFile.of(owner);
  return file.locked(async (lock) => {
    const present = file.read();
    const seen = isFailure(present) ? 0 : present.generation;
    const generation = Math.max(seen, await file.lastRemembered()) + 1;
    const aside = await file.setAside(secondsOf(options));
    await file.write(lock, emptyAllowList(options.maxControllers ?? 1), generation, secondsOf(options));
    return aside;
  });
}

const secondsOf = ({ now = Date.now }: RepairOptions) => Math.floor(now() / 1000);
