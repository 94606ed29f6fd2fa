import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { attempt } from "./database-failure.js";
import type { Database } from "./tables.js";

interface Waiting {
  /** Unix milliseconds. */
  readonly now: number;
  readonly until: number;
  readonly resolve: (fresh: boolean) => void;
  readonly reject: (reason: unknown) => void;
}

/** Parameters of one statement are limited; there are two a row. */
const mostInOneWrite = 500;

/** Requests wait so long for others to share a write with. */
const gatherMs = 1;

/**
 * Writes the nonces that come while others are written in one statement: each has to be on the disk before its request
 * goes on, and the disk takes one write about as long as another.
 */
export class NonceQueue {
  readonly #database: Database;
  readonly #waiting = new Map<string, Waiting>();
  #isWriting = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whether the nonce was not there. Rejects with AmeshError `database_unavailable`. */
  record(nonce: string, now: number, until: number): Promise<boolean> {
    const digest = createHash("sha256").update(nonce).digest("base64url");
    // Of several at once the first may be fresh; whether or not it is, the others are not.
    if (this.#waiting.has(digest)) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      this.#waiting.set(digest, { now, until, resolve, reject });
      if (!this.#isWriting) void this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.size > 0) {
      // SQLite writes while nothing else goes on in this process: what comes meanwhile has to be let in first.
      await pause(gatherMs);
      const batch = [...this.#waiting].slice(0, mostInOneWrite);
      try {
        const fresh = await attempt(() => this.#insert(batch));
        for (const [digest, { resolve }] of batch) resolve(fresh.has(digest));
      } catch (error) {
        for (const [, { reject }] of batch) reject(error);
      }
      for (const [digest] of batch) this.#waiting.delete(digest);
    }
    this.#isWriting = false;
  }

  async #insert(batch: readonly (readonly [digest: string, Waiting])[]): Promise<ReadonlySet<string>> {
    // One that was over for the earliest of them was over for all.
    const now = Math.min(...batch.map(([, each]) => each.now));
    const rows = await this.#database
      .insertInto("nonces")
      .values(batch.map(([digest, { until }]) => ({ digest, expires_at: until })))
      .onConflict((conflict) =>
        conflict
          .column("digest")
          .doUpdateSet((row) => ({ expires_at: row.ref("excluded.expires_at") }))
          .where("nonces.expires_at", "<=", now),
      )
      .returning("digest")
      .execute();
    return new Set(rows.map(({ digest }) => digest));
  }
}
