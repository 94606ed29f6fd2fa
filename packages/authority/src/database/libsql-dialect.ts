import { setTimeout as pause } from "node:timers/promises";
import {
  type Client,
  type InArgs,
  LibsqlError,
  type ResultSet,
  type Transaction,
} from "@libsql/client/sqlite3";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";

/**
 * SQLite in this process, for Kysely. Every connection is `synchronous = FULL`, the engine's default: what was
 * committed is on the disk. One connection, one user of it at a time: the engine works synchronously, so
 * that more of them would gain nothing.
 */
export class LibsqlDialect implements Dialect {
  readonly #file: SqliteFile;
  readonly #committed: () => void;

  /**
   * @param client made with `concurrency: 1`
   * @param patienceMs how long to wait for another process that writes
   * @param committed called after each transaction that was committed
   */
  constructor(client: Client, patienceMs: number, committed: () => void) {
    this.#file = new SqliteFile(client, patienceMs);
    this.#committed = committed;
  }

  createAdapter = () => new TransactionalSqlite();
  createDriver = (): Driver => new LibsqlDriver(this.#file, this.#committed);
  createQueryCompiler = () => new SqliteQueryCompiler();
  createIntrospector = (database: Kysely<unknown>): DatabaseIntrospector => new SqliteIntrospector(database);
}

/** SQLite takes schema changes back like any other, so that a migration is there whole or not at all. */
class TransactionalSqlite extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class LibsqlDriver implements Driver {
  readonly #file: SqliteFile;
  readonly #committed: () => void;
  #free: Promise<void> = Promise.resolve();

  constructor(file: SqliteFile, committed: () => void) {
    this.#file = file;
    this.#committed = committed;
  }

  async init(): Promise<void> {
    await this.#file.whenFree((client) => client.execute("pragma journal_mode = WAL"));
  }

  async acquireConnection(): Promise<LibsqlConnection> {
    const before = this.#free;
    let release = () => {};
    this.#free = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return new LibsqlConnection(this.#file, release);
  }

  async beginTransaction(connection: LibsqlConnection): Promise<void> {
    await connection.begin();
  }

  async commitTransaction(connection: LibsqlConnection): Promise<void> {
    await connection.end("commit");
    this.#committed();
  }

  async rollbackTransaction(connection: LibsqlConnection): Promise<void> {
    await connection.end("rollback");
  }

  async releaseConnection(connection: LibsqlConnection): Promise<void> {
    connection.release();
  }

  async destroy(): Promise<void> {
    await this.#free;
    this.#file.client.close();
  }
}

class LibsqlConnection implements DatabaseConnection {
  readonly release: () => void;
  readonly #file: SqliteFile;
  #transaction: Transaction | undefined;

  constructor(file: SqliteFile, release: () => void) {
    this.#file = file;
    this.release = release;
  }

  /** For writing at once: a reader that turns writer later may find that another came before. */
  async begin(): Promise<void> {
    this.#transaction = await this.#file.whenFree((client) => client.transaction("write"));
  }

  async end(how: "commit" | "rollback"): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.[how]();
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const statement = { sql, args: parameters as InArgs };
    const transaction = this.#transaction;
    if (transaction !== undefined) return resultOf(await transaction.execute(statement));
    return resultOf(await this.#file.whenFree((client) => client.execute(statement)));
  }

  // biome-ignore lint/correctness/useYield: rows come all at once here
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new TypeError("This dialect does not stream.");
  }
}

/** Waits while another process writes. */
class SqliteFile {
  readonly client: Client;
  readonly #patienceMs: number;

  constructor(client: Client, patienceMs: number) {
    this.client = client;
    this.#patienceMs = patienceMs;
  }

  /**
   * The engine could wait by itself, but would stop this process for as long, and in vain where the other connection
   * is of this very process.
   */
  async whenFree<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#patienceMs;
    for (;;) {
      try {
        return await work(this.client);
      } catch (error) {
        const isBusy = error instanceof LibsqlError && error.code.startsWith("SQLITE_BUSY");
        if (!isBusy || performance.now() >= deadline) throw error;
        // A statement that was refused stays "in progress", and lets no later transaction of its connection end.
        await this.client.reconnect();
        await pause(1 + Math.random() * 4);
      }
    }
  }
}

function resultOf<Row>({ columns, rows, rowsAffected }: ResultSet): QueryResult<Row> {
  return {
    rows: rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])) as Row),
    numAffectedRows: BigInt(rowsAffected),
  };
}
