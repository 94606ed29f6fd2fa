import { checkAudience } from "@authmesh/core";
import { checkMaxControllers, setAudience, setMaxControllers } from "./allow-list-changes.js";
import { AllowListFile, type AllowListOwner, isFailure } from "./allow-list-file.js";
import { type AllowListContents, emptyAllowList } from "./allow-list-format.js";
import type { Identity } from "./identity-file.js";
import type { HeldLock } from "./internal/folder-lock.js";

/** What a new allow list says from the start. */
export interface AllowListSettings {
  /** How many controllers this machine accepts, 1 to 1000. Default 1. */
  readonly maxControllers?: number | undefined;
  /** The hosts this machine answers to. Default none. */
  readonly audience?: readonly string[] | undefined;
}

/** @throws TypeError */
export function checkSettings({ maxControllers, audience }: AllowListSettings): AllowListSettings {
  if (maxControllers !== undefined) checkMaxControllers(maxControllers);
  return { maxControllers, audience: audience?.length ? checkAudience(audience) : audience };
}

/**
 * Goes on with the latest list of the key; any other is kept under another name, whose path is returned. Where the
 * key store remembers nothing, nobody can tell the latest from an older one in which a revoked device is back: only
 * what an interrupted call wrote, a list that says nothing yet, is gone on with.
 */
export async function writeFirstAllowList(
  lock: HeldLock,
  owner: AllowListOwner & { readonly identity: Identity },
  settings: AllowListSettings,
): Promise<string | undefined> {
  const file = await AllowListFile.of(owner);
  const floor = await file.lastRemembered();
  const present = file.read();
  const fits = !isFailure(present) && (floor === 0 ? isUntouched(present) : present.generation >= floor);
  const { createdAt } = owner.identity;
  const aside = fits ? undefined : await file.setAside(createdAt);
  const draft = fits ? present : emptyAllowList(settings.maxControllers ?? 1);
  // A list that is taken up keeps what it says, unless it is told otherwise.
  if (settings.maxControllers !== undefined) setMaxControllers(draft, settings.maxControllers);
  if (settings.audience !== undefined) setAudience(draft, settings.audience);
  const last = fits && floor > 0 ? present.generation : floor;
  await file.write(lock, draft, last + 1, createdAt);
  return aside;
}

/** What an interrupted call wrote: a list that says nothing yet. */
export const isUntouched = ({ generation, devices, revoked, consumed }: AllowListContents) =>
  generation === 1 && devices.length + revoked.length + consumed.length === 0;
