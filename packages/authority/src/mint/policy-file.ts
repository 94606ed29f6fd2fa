import { readFileSync, statSync } from "node:fs";
import { AmeshError } from "@authmesh/core";
import { type AuthorityPolicy, noRules, readAuthorityPolicy } from "./authority-policy.js";

const lookEveryMs = 500;

/** What is told of a policy that changed. */
export interface PolicyFileEvents {
  /** @param isThere false: the file is gone, and nothing is granted */
  readonly reloaded: (isThere: boolean) => void;
  /** The policy before stays in force. */
  readonly refused: (error: AmeshError) => void;
}

/**
 * A policy in a file, looked at when it is asked for, twice a second at most. A file that is not there grants nothing; one
 * that becomes unreadable or wrong changes nothing, and is told of once.
 */
export class PolicyFile {
  readonly path: string;
  readonly #events: PolicyFileEvents;
  readonly #monotonic: () => number;
  #policy: AuthorityPolicy;
  #stamp: string;
  #lookedAt: number;

  /**
   * @param monotonic milliseconds that only grow
   * @throws AmeshError `authority_policy_invalid`
   */
  constructor(path: string, events: PolicyFileEvents, monotonic: () => number = () => performance.now()) {
    this.path = path;
    this.#events = events;
    this.#monotonic = monotonic;
    this.#lookedAt = monotonic();
    this.#stamp = stampOf(path);
    this.#policy = read(path);
  }

  /** As it is now. Throws nothing. */
  get policy(): AuthorityPolicy {
    const now = this.#monotonic();
    if (now - this.#lookedAt >= lookEveryMs) {
      this.#lookedAt = now;
      this.#look();
    }
    return this.#policy;
  }

  #look(): void {
    const stamp = stampOf(this.path);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      this.#policy = read(this.path);
    } catch (error) {
      if (!(error instanceof AmeshError)) throw error;
      this.#events.refused(error);
      return;
    }
    this.#events.reloaded(stamp !== "");
  }
}

function read(path: string): AuthorityPolicy {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return { mint: noRules };
    throw new AmeshError("authority_policy_invalid", `${path} cannot be read: ${code}.`, { cause });
  }
  return readAuthorityPolicy(bytes, path);
}

function stampOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
}
