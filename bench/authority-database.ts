import { join } from "node:path";
import { createClient } from "@libsql/client";
import pg from "pg";
import { PostgresServer } from "../test/fixtures/postgres-server.js";
import { temporaryFolder } from "./enrolling-authority.js";

/** A database that an authority is run with, and that is asked without one. */
export interface AuthorityDatabase {
  readonly name: string;
  /** Folder of the authority. */
  readonly dir: string;
  /** What names the database to the authority. */
  readonly env: Record<string, string>;
  /** One statement, durable once it is over. */
  execute(sql: string): Promise<void>;
  /** Does what a database does by itself after a while: empties its journal, and counts what it has. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Asks of a new SQLite, and then of a new PostgreSQL. */
export async function overBoth(ask: (database: AuthorityDatabase) => Promise<void>): Promise<void> {
  for (const open of [openSqlite, openPostgres]) {
    const database = await open();
    try {
      await ask(database);
    } finally {
      await database.close();
    }
  }
}

/** SQLite through the library that the authority has, with the journal that it keeps. */
async function openSqlite(): Promise<AuthorityDatabase> {
  const dir = temporaryFolder();
  const client = createClient({ url: `file:${join(dir, "authority.db")}` });
  await client.execute("pragma journal_mode = WAL");
  return {
    name: "SQLite",
    dir,
    env: {},
    execute: async (sql) => void (await client.execute(sql)),
    async settle() {
      await client.execute("analyze");
      await client.execute("pragma wal_checkpoint(truncate)");
    },
    close: async () => client.close(),
  };
}

/** A PostgreSQL of its own that waits for the disk, as an installed one does. */
async function openPostgres(): Promise<AuthorityDatabase> {
  const stops: (() => Promise<void>)[] = [];
  const server = await PostgresServer.start((stop) => stops.push(stop), ["fsync=on"]);
  const url = await server.database("bench");
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  return {
    name: "PostgreSQL",
    dir: temporaryFolder(),
    env: { DATABASE_URL: url },
    execute: async (sql) => void (await pool.query(sql)),
    settle: async () => void (await pool.query("vacuum analyze")),
    async close() {
      await pool.end();
      for (const stop of stops) await stop();
    },
  };
}
