import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { AmeshError, quoteForeign } from "@authmesh/core";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";

/** For verbs that print a secret. */
export const outOption: OptionManual = {
  flags: "--out FILE",
  about: "write the secret to this new file (0600), in place of printing it",
};

/** A file that is not there yet, for its owner's eyes alone. */
export interface NewSecretFile {
  readonly path: string;
  /** @throws AmeshError `storage_failed` */
  write(text: string): void;
  /** Takes away what was written, if anything was. */
  remove(): void;
}

/**
 * Looks at the place before the secret is made, so that what can be known of it is.
 *
 * @throws AmeshError `storage_failed` for a file that is there already, or cannot be made
 */
export function newSecretFile(path: string): NewSecretFile {
  if (existsSync(path)) throw unwritable(path, "there is one already");
  onFile(path, () => accessSync(dirname(path), constants.W_OK));
  let isWritten = false;
  return {
    path,
    write(text) {
      onFile(path, () => writeFileSync(path, text, { flag: "wx", mode: 0o600, flush: true }));
      isWritten = true;
    },
    remove() {
      if (isWritten) rmSync(path, { force: true });
    },
  };
}

/** The file of `--out`, if it was given. @throws AmeshError as `newSecretFile` */
export function readOut(call: Call): NewSecretFile | undefined {
  const path = call.text("out");
  return path === undefined ? undefined : newSecretFile(path);
}

function onFile(path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw unwritable(path, (cause as NodeJS.ErrnoException).code ?? "unknown error");
  }
}

const unwritable = (path: string, reason: string): AmeshError =>
  new AmeshError("storage_failed", `${quoteForeign(path)} cannot be written: ${reason}.`, {
    fix: "Name a file that is not there yet, in a folder that you may write to, and run the command again.",
  });
