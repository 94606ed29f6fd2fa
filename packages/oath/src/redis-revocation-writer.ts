import {
  AmeshError,
  outageReason,
  type Random,
  type RedisCommands,
  randomBytes,
  toBase64Url,
} from "@authmesh/core";
import {
  beginScript,
  confirmScript,
  entryKeys,
  markerKey,
  putScript,
  slots,
} from "./revocation/redis-scripts.js";
import { writeChange } from "./revocation/revocation-page.js";
import type { RevocationChange } from "./revocation.js";
import { within } from "./timing/within.js";

export interface RedisRevocationWriterOptions {
  /** Whose list it is, as it stands in `iss`. */
  readonly issuer: string;
  /** The name of the run of generations. Another one leaves nothing of what was written under the old one. */
  readonly log: string;
  /** What keys begin with. Default "ar:". */
  readonly prefix?: string;
  /** Milliseconds for a batch of at most a thousand commands. Default 5000. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  readonly random?: Random;
}

const batchSize = 1000;
/** Milliseconds for which a removal is kept, so that no change that comes late undoes it. */
const removalMs = 3600_000;

/**
 * Keeps an issuer's list in Redis for its verifiers (docs/protocol.md, section 8.7). Several may write one list: what counts are
 * generations.
 *
 * @example
 * await writer.fill(allChanges());            // at the start
 * await writer.apply([change]);               // whenever there is one
 * if (!(await writer.confirm())) await writer.fill(allChanges());   // every 10 s
 */
export class RedisRevocationWriter {
  readonly #commands: RedisCommands;
  readonly #options: Required<RedisRevocationWriterOptions>;
  /** Whether a change may be missing: nothing is confirmed until all were written again. */
  #incomplete = true;

  constructor(commands: RedisCommands, options: RedisRevocationWriterOptions) {
    this.#commands = commands;
    this.#options = { prefix: "ar:", timeoutMs: 5000, now: Date.now, random: randomBytes, ...options };
  }

  /**
   * Writes changes, in any order.
   *
   * @throws AmeshError `revocation_unavailable`; then `confirm` says false until the list was filled again
   */
  async apply(changes: readonly RevocationChange[]): Promise<void> {
    try {
      for (let i = 0; i < changes.length; i += batchSize)
        await this.#inTime(changes.slice(i, i + batchSize).map((each) => this.#put(each)));
    } catch (error) {
      this.#incomplete = true;
      throw error;
    }
  }

  /**
   * Writes the whole list: the last change of every entry, in any order. Verifiers refuse meanwhile, unless the Redis
   * still holds a list of this log.
   *
   * @returns false when the Redis lost something meanwhile, or somebody else fills it: fill it again
   * @throws AmeshError `revocation_unavailable`, also for a Redis that evicts
   */
  async fill(changes: Iterable<RevocationChange> | AsyncIterable<RevocationChange>): Promise<boolean> {
    const name = toBase64Url(this.#options.random(8));
    this.#incomplete = false; // from here on, `apply` says so if it fails
    try {
      const begun = await this.#atEachMarker(beginScript, this.#options.log, name);
      if (begun.includes("evicts"))
        throw new AmeshError(
          "revocation_unavailable",
          "The Redis of revocations drops what is still needed when its memory is full.",
          { fix: "Set maxmemory-policy to noeviction, or give revocations a Redis of their own." },
        );
      let batch: RevocationChange[] = [];
      for await (const each of changes) {
        batch.push(each);
        if (batch.length < batchSize) continue;
        await this.apply(batch);
        batch = [];
      }
      await this.apply(batch);
      return await this.#confirm(name);
    } catch (error) {
      this.#incomplete = true;
      throw error;
    }
  }

  /**
   * Says that the list is complete now.
   *
   * @returns false when it is not, or the Redis is not the one that was filled: fill it again
   * @throws AmeshError `revocation_unavailable`
   */
  async confirm(): Promise<boolean> {
    return !this.#incomplete && (await this.#confirm(""));
  }

  async #confirm(filling: string): Promise<boolean> {
    const { log } = this.#options;
    const answers = await this.#atEachMarker(confirmScript, log, String(this.#second()), filling);
    return !this.#incomplete && answers.every((each) => each === "1");
  }

  #put(change: RevocationChange): Promise<unknown> {
    const { prefix, issuer, log, now } = this.#options;
    const { by, value } = "removed" in change ? change.removed : change.revocation;
    const { entry, marker } = entryKeys(prefix, { issuer, by, value });
    const expiresAt = "removed" in change ? undefined : change.revocation.expiresAt;
    const leftMs = expiresAt === undefined ? undefined : expiresAt * 1000 - now();
    const gone = "removed" in change || (leftMs !== undefined && leftMs <= 0);
    const { generation } = change;
    const says = gone ? writeChange({ generation, removed: { issuer, by, value } }) : writeChange(change);
    const life = gone ? String(removalMs) : leftMs === undefined ? "" : String(Math.ceil(leftMs));
    const args = [log, String(generation), JSON.stringify(says), life];
    return this.#commands.send(marker, ["EVAL", putScript, "1", entry, ...args]);
  }

  #atEachMarker(script: string, ...args: readonly string[]): Promise<readonly string[]> {
    const { prefix, issuer } = this.#options;
    return this.#inTime(
      slots.map(async (slot) => {
        const marker = markerKey(prefix, issuer, slot);
        return String(await this.#commands.send(marker, ["EVAL", script, "1", marker, ...args]));
      }),
    );
  }

  async #inTime<Answer>(answers: readonly Promise<Answer>[]): Promise<readonly Answer[]> {
    try {
      return await within(this.#options.timeoutMs, Promise.all(answers));
    } catch (error) {
      const reason = outageReason(error).replace(/\.$/, "");
      throw new AmeshError(
        "revocation_unavailable",
        `The Redis of revocations cannot be written: ${reason}.`,
      );
    }
  }

  #second(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}
