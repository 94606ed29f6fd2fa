import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AmeshError, pairingCooldown, recordPairingFailure } from "@authmesh/core";

/** So many failures, then the file is begun anew with those that still count. */
const maxLines = 100;
const maxBytes = 4096;

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
      else appendFileSync(this.#path, line(this.#now()), { mode: 0o600 });
    } catch {
      // The folder cannot be written, and so no pairing can succeed in it either.
    }
  }

  /** Undefined for a file that has to be replaced. */
  #read(): number[] | undefined {
    try {
      const status = statSync(this.#path, { throwIfNoEntry: false });
      if (status === undefined) return [];
      if (!status.isFile() || status.size > maxBytes) return undefined;
      const lines = readFileSync(this.#path, "utf8").split("\n");
      return lines.filter((text) => /^[0-9]{1,12}$/.test(text)).map(Number);
    } catch {
      return undefined;
    }
  }

  #begin(failures: readonly number[]): void {
    const counting = recordPairingFailure(failures, this.#now());
    rmSync(this.#path, { recursive: true, force: true });
    writeFileSync(this.#path, counting.map(line).join(""), { mode: 0o600 });
  }
}

/** Begins with the line break, so that it never continues what a crash left unfinished. */
const line = (seconds: number) => `\n${seconds}`;
