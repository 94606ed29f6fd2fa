import { closeSync, openSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { createClient } from "@libsql/client/sqlite3";
import { Kysely, Migrator, PostgresDialect } from "kysely";
import type { CustomTypesConfig } from "pg";
import { attempt, databaseUnavailable } from "./database-failure.js";
import { LibsqlDialect } from "./libsql-dialect.js";
import { migrations } from "./migrations.js";
import type { Database, Tables } from "./tables.js";

/** Where the state is: a file of this machine, or a PostgreSQL that several replicas share. */
export type DatabasePlace = { readonly file: string } | { readonly url: string };

/** How long one question may take, in milliseconds, the wait for a connection or a lock included. */
const patienceMs = 5000;

/**
 * Opens the database and brings its schema up to date, one process at a time.
 *
 * @param committed called after each transaction of a file that this process committed
 * @throws AmeshError `database_unavailable`
 */
export async function openDatabase(place: DatabasePlace, committed = () => {}): Promise<Database> {
  const database = "file" in place ? await openFile(place.file, committed) : await openPostgres(place.url);
  try {
    await migrate(database);
    return database;
  } catch (error) {
    await database.destroy().catch(() => {});
    throw error;
  }
}

async function openFile(file: string, committed: () => void): Promise<Database> {
  // Nobody else may read it; what the engine puts beside it is made as this is.
  await attempt(async () => closeSync(openSync(file, "a", 0o600)));
  const client = await attempt(async () => createClient({ url: pathToFileURL(file).href, concurrency: 1 }));
  return new Kysely<Tables>({ dialect: new LibsqlDialect(client, patienceMs, committed) });
}

async function openPostgres(connectionString: string): Promise<Database> {
  const { default: pg } = await import("pg");
  // Generations and times are far below 2^53; pg would give them as text.
  const getTypeParser: CustomTypesConfig["getTypeParser"] = (oid, format) =>
    oid === pg.types.builtins.INT8 && format !== "binary" ? Number : pg.types.getTypeParser(oid, format);
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
    statement_timeout: patienceMs,
    idle_in_transaction_session_timeout: 2 * patienceMs,
    keepAlive: true,
    types: { getTypeParser },
  });
  // A connection that breaks while nobody uses it: the next question opens another one.
  pool.on("error", () => {});
  // Nor does one that breaks within a transaction, between two of its questions, end this process.
  pool.on("connect", (client) => void client.on("error", () => {}));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

async function migrate(database: Database): Promise<void> {
  const migrator = new Migrator({ db: database, provider: migrations });
  const { error } = await attempt(() => migrator.migrateToLatest());
  if (error === undefined) return;
  if (error instanceof Error && error.message.includes("corrupted migrations"))
    throw databaseUnavailable("Its schema is that of a later amesh.", error, "Install a later amesh.");
  throw databaseUnavailable("Its schema could not be brought up to date.", error);
}
