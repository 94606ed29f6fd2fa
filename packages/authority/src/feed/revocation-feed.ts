import { AmeshError, type RedisCommands } from "@authmesh/core";
import { type RevocationChange as ListChange, RedisRevocationWriter } from "@authmesh/oath";
import type { Logger } from "@authmesh/sdk";
import type { AuthorityStore, RevocationChange } from "../authority-store.js";
import type { AuthorityMetrics } from "../metrics.js";
import { Repetition } from "../repetition.js";

export interface RevocationFeedOptions {
  readonly store: Pick<AuthorityStore, "revocationsAfter">;
  /** Closed with the feed. `onReady` tells of each connection that comes to be. */
  readonly commands: RedisCommands & { onReady(listener: () => void): unknown };
  readonly issuer: string;
  /** Names this run of the list's generations. */
  readonly log: string;
  /** What keys begin with. */
  readonly prefix: string;
  readonly metrics: Pick<AuthorityMetrics, "set">;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How soon Redis is told what changed, in milliseconds. */
const lookEveryMs = 250;
const confirmEveryMs = 10_000;
const pageSize = 1000;

/**
 * Keeps the copy of the revocation list in Redis as the database has it (docs/protocol.md, section 8.7). Each replica does so
 * with what all of them write: what counts in Redis are generations, so none waits for another, and none has to be elected.
 */
export class RevocationFeed {
  readonly #options: RevocationFeedOptions;
  readonly #writer: RedisRevocationWriter;
  readonly #repetition: Repetition;
  /** When the database was asked last, in milliseconds: what Redis is told is from then. */
  #asOf = 0;
  /** Redis was told everything up to this one. Undefined: it has to be told everything. */
  #generation: number | undefined;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #isBehind = false;
  /** On the clock that only grows. */
  #fillNotBefore = Number.NEGATIVE_INFINITY;

  constructor(options: RevocationFeedOptions) {
    const { commands, issuer, log, prefix, logger } = options;
    this.#options = options;
    this.#writer = new RedisRevocationWriter(commands, { issuer, log, prefix, now: () => this.#asOf });
    this.#repetition = new Repetition({
      work: () => this.#look(),
      everyMs: lookEveryMs,
      words: {
        failed: "the revocation list in Redis cannot be brought up to date",
        recovered: "the revocation list in Redis is up to date again",
      },
      logger,
    });
    // Behind a new connection may be a server that was restarted.
    commands.onReady(() => {
      this.#confirmedAt = Number.NEGATIVE_INFINITY;
    });
    this.#asOf = options.now();
    this.#fellBehind();
  }

  start(): void {
    this.#repetition.start();
  }

  /** Closes the connection first: what waits for an answer ends by that. */
  async close(): Promise<void> {
    await this.#options.commands.close();
    await this.#repetition.close();
  }

  async #look(): Promise<void> {
    this.#asOf = this.#options.now();
    try {
      await this.#follow();
      if (!this.#isDue()) return;
      const isKnown = this.#generation !== undefined;
      if ((isKnown && (await this.#writer.confirm())) || (await this.#fill())) this.#isInStep();
      else this.#fellBehind();
    } catch (error) {
      this.#fellBehind();
      throw error;
    }
  }

  #isDue(): boolean {
    // Also after the clock was set back.
    return this.#generation === undefined || Math.abs(this.#asOf - this.#confirmedAt) >= confirmEveryMs;
  }

  /** Writes what came since the last time. */
  async #follow(): Promise<void> {
    if (this.#generation === undefined) return;
    for await (const { changes, generation } of this.#pages(this.#generation)) {
      await this.#writer.apply(changes);
      this.#generation = generation;
    }
  }

  /** @returns false when Redis lost something meanwhile, or another replica fills it, too */
  async #fill(): Promise<boolean> {
    const began = performance.now();
    if (began < this.#fillNotBefore) return false;
    const pages = this.#pages(0);
    let upTo = 0;
    const everything = async function* () {
      for await (const { changes, generation } of pages) {
        yield* changes;
        upTo = generation;
      }
    };
    this.#generation = undefined;
    const isWhole = await this.#writer.fill(everything());
    this.#generation = upTo;
    const ended = performance.now();
    // Of several that fill at once only the last one to begin succeeds, and this is the time that it needs.
    if (!isWhole) this.#fillNotBefore = ended + (ended - began);
    return isWhole;
  }

  /** The changes after a generation, a page at a time, and up to which generation that is all. */
  async *#pages(after: number): AsyncGenerator<{ changes: readonly ListChange[]; generation: number }> {
    const { store, issuer } = this.#options;
    let generation = after;
    let isLast = false;
    while (!isLast) {
      const page = await store.revocationsAfter(generation, pageSize, after);
      if (page === undefined) {
        this.#generation = undefined;
        throw new AmeshError("revocation_unavailable", "The database does not know every change any more.");
      }
      const { changes, last } = page;
      isLast = changes.length < pageSize;
      generation = isLast ? last : (changes.at(-1)?.generation ?? last);
      yield { changes: changes.map((change) => published(issuer, change)), generation };
    }
  }

  #isInStep(): void {
    this.#confirmedAt = this.#asOf;
    this.#isBehind = false;
    this.#options.metrics.set("revocation_feed_behind_since_seconds", "", 0);
  }

  #fellBehind(): void {
    this.#confirmedAt = Number.NEGATIVE_INFINITY;
    if (this.#isBehind) return;
    this.#isBehind = true;
    this.#options.metrics.set("revocation_feed_behind_since_seconds", "", Math.floor(this.#asOf / 1000));
  }
}

function published(issuer: string, { generation, removed, ...entry }: RevocationChange): ListChange {
  const { by, value } = entry;
  return removed
    ? { generation, removed: { issuer, by, value } }
    : { generation, revocation: { issuer, ...entry } };
}
