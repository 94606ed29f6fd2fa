import {
  createSuccession,
  decodeUtf8,
  type PublicKey,
  readSuccession,
  type Succession,
} from "@authmesh/core";
import { readBounded } from "@authmesh/core/server-program";
import { successionPath } from "./folder.js";
import { removeFile, replaceFile } from "./internal/durable-file.js";
import type { DeviceKey } from "./open-key.js";

/** A folder that has had more keys than this forgets the first of them. */
const mostHops = 32;
const maxBytes = 64 << 10;

/**
 * Has the key in use name the one that is to take its place. The file keeps one such statement of each key that
 * this folder has had (docs/protocol.md, section 11.15); whoever can only write files can add none.
 *
 * @param now milliseconds since the epoch
 * @throws AmeshError `storage_failed`, and what `sign` throws
 */
export async function nameSuccessor(
  dir: string,
  device: Pick<DeviceKey, "publicKey" | "sign">,
  successor: PublicKey,
  now?: () => number,
): Promise<void> {
  const statement = await createSuccession(device, successor, now);
  await write(dir, [...otherThan(dir, device.publicKey.deviceId), statement].slice(-mostHops));
}

/** Takes back what `nameSuccessor` wrote. @throws AmeshError `storage_failed` */
export const withdrawSuccessor = (dir: string, deviceId: string): Promise<void> =>
  write(dir, otherThan(dir, deviceId));

/** Whether the key named that device as the one in its place, or named one that did, and so on. */
export function isSucceededBy(dir: string, key: PublicKey, deviceId: string): boolean {
  const statements = readLines(dir).map(readSuccession);
  let last = key;
  for (let hop = 0; hop < statements.length; hop++) {
    const next = statements.find(
      (statement): statement is Succession => statement?.isSignedBy(last) === true,
    );
    if (next === undefined) return false;
    if (next.successor.deviceId === deviceId) return true;
    last = next.successor;
  }
  return false;
}

const otherThan = (dir: string, deviceId: string): readonly string[] =>
  readLines(dir).filter((line) => readSuccession(line)?.deviceId !== deviceId);

/** What is not text, or too long, names nobody. */
function readLines(dir: string): readonly string[] {
  const text = decodeUtf8(readBounded(successionPath(dir), maxBytes) ?? new Uint8Array()) ?? "";
  return text.split("\n").filter((line) => line !== "");
}

const write = (dir: string, lines: readonly string[]): Promise<void> =>
  lines.length === 0
    ? removeFile(successionPath(dir))
    : replaceFile(successionPath(dir), lines.map((line) => `${line}\n`).join(""));
