import { setTimeout as pause } from "node:timers/promises";
import { PostgresAdapter, type QueryExecutorProvider, sql } from "kysely";
import type { Client } from "pg";
import type { DatabasePlace } from "./open-database.js";

const channel = "amesh_feeds";

/** How long a broken connection is left alone, in milliseconds: whoever listens looks by itself meanwhile. */
const retryMs = 250;

export const isPostgres = (database: QueryExecutorProvider): boolean =>
  database.getExecutor().adapter instanceof PostgresAdapter;

/** Has every listener of a PostgreSQL told once the transaction ends. SQLite tells by its driver. */
export async function announceChange(work: QueryExecutorProvider): Promise<void> {
  if (isPostgres(work)) await sql`select pg_notify(${channel}, '')`.execute(work);
}

/**
 * Tells that a feed may have changed, as soon as that is committed: in this process over SQLite, in any process over
 * PostgreSQL. What is told is a hint: it can be lost with a connection.
 */
export class ChangeListener {
  readonly #place: DatabasePlace;
  readonly #heard = new Set<() => void>();
  #client: Client | undefined;
  #isClosed = false;

  constructor(place: DatabasePlace) {
    this.#place = place;
  }

  /** To be called by the driver when a transaction was committed. */
  readonly committed = (): void => {
    for (const listener of this.#heard) listener();
  };

  /** Of PostgreSQL the connection is opened with the first listener. */
  listen(listener: () => void): void {
    this.#heard.add(listener);
    if ("url" in this.#place && this.#heard.size === 1) void this.#connect(this.#place.url);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#heard.clear();
    await this.#client?.end().catch(() => {});
  }

  async #connect(connectionString: string): Promise<void> {
    const { default: pg } = await import("pg");
    while (!this.#isClosed) {
      const client = new pg.Client({ connectionString, keepAlive: true, connectionTimeoutMillis: 5000 });
      this.#client = client;
      const ended = new Promise<void>((resolve) => {
        client.on("error", () => resolve());
        client.on("end", () => resolve());
      });
      client.on("notification", this.committed);
      try {
        await client.connect();
        await client.query(`listen ${channel}`);
        // What was told while nobody listened.
        this.committed();
        await ended;
      } catch {
        // Tried again below; the one that polls says what is wrong with the database.
      }
      await client.end().catch(() => {});
      if (!this.#isClosed) await pause(retryMs, undefined, { ref: false });
    }
  }
}
