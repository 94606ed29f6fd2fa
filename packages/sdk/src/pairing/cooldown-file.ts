import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { AmeshError, pairingCooldown, recordPairingFailure } from "@authmesh/core";

/** So many failures, then the file is begun anew with those that still count. */
const maxLines = 100;
const maxBytes = 4096;

/** A link is never followed, for it may lead to somebody else's file; a pipe blocks nobody. Windows has no such flags. */
const noFollow = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const reading = constants.O_RDONLY | noFollow;
const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | noFollow;

/**
 * When pairings of an identity failed (docs/protocol.md, section 5): a file beside it, since every `amesh listen` is
 * a process of its own. One line a failure, Unix seconds; appending loses nothing when processes fail at once.
 *
 * What cannot be read counts as nothing and is replaced: it is a brake on guessing, and no reason to stop people.
 */
export class CooldownFile {
  readonly #path: string;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(dir: string, now: () => number) {
    this.#path = join(dir, "pairing_failures");
    this.#now = () => Math.floor(now() / 1000);
  }

  /** @throws AmeshError `pairing_cooldown` after three failures in ten minutes, for a minute */
  check(): void {
    const seconds = pairingCooldown(this.#read() ?? [], this.#now());
    if (seconds === 0) return;
    const detail = `Three pairings failed within ten minutes; the next may begin in ${seconds} seconds.`;
    throw new AmeshError("pairing_cooldown", detail);
  }

  record(): void {
    const failures = this.#read();
    try {
      if (failures === undefined || failures.length >= maxLines) this.#begin(failures ?? []);
      else withFile(this.#path, appending, (file) => writeSync(file, line(this.#now())));
    } catch {
      // The folder cannot be written, and so no pairing can succeed in it either.
    }
  }

  /** Undefined for a file that has to be replaced. */
  #read(): number[] | undefined {
    try {
      const status = lstatSync(this.#path, { throwIfNoEntry: false });
      if (status === undefined) return [];
      if (!status.isFile() || status.size > maxBytes) return undefined;
      const lines = withFile(this.#path, reading, (file) => readFileSync(file, "utf8")).split("\n");
      return lines.filter((text) => /^[0-9]{1,12}$/.test(text)).map(Number);
    } catch {
      return undefined;
    }
  }

  #begin(failures: readonly number[]): void {
    const counting = recordPairingFailure(failures, this.#now());
    this.#clear();
    writeFileSync(this.#path, counting.map(line).join(""), { flag: "wx", mode: 0o600 });
  }

  /** Of a link, the link; a folder is moved aside with all that is in it. */
  #clear(): void {
    if (lstatSync(this.#path, { throwIfNoEntry: false })?.isDirectory())
      renameSync(this.#path, `${this.#path}.set-aside-${this.#now()}`);
    else rmSync(this.#path, { force: true });
  }
}

function withFile<T>(path: string, flags: number, use: (file: number) => T): T {
  const file = openSync(path, flags, 0o600);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/** Begins with the line break, so that it never continues what a crash left unfinished. */
const line = (seconds: number) => `\n${seconds}`;
