import { decodeUtf8, longestDeviceRevocation } from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { fleetPath, lockPath } from "./folder.js";
import { replaceFile } from "./internal/durable-file.js";
import { withLock } from "./internal/folder-lock.js";

/** Statements that a machine keeps of a fleet; whoever believes more is misled. */
export const mostFleetStatements = 20_000;
const maxBytes = mostFleetStatements * (longestDeviceRevocation + 1);

/**
 * What this machine believed of whom its fleet revoked (docs/protocol.md, section 9.5): signed statements, not verified. A file that cannot be
 * one of these is none.
 *
 * @throws AmeshError `storage_failed`
 */
export function readFleetFile(dir: string): readonly string[] {
  const bytes = readBounded(fleetPath(dir), maxBytes) ?? new Uint8Array();
  const text = bytes.length > maxBytes ? "" : (decodeUtf8(bytes) ?? "");
  return text.split("\n").filter((line) => line !== "");
}

/** In the place of what was kept before. @throws AmeshError `storage_failed`, `allow_list_locked` */
export const writeFleetFile = (dir: string, statements: readonly string[]): Promise<void> =>
  withLock(lockPath(dir), (lock) =>
    replaceFile(fleetPath(dir), statements.map((each) => `${each}\n`).join(""), () => lock.assertHeld()),
  );
