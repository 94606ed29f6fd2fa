import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { PostgresServer } from "../../../test/fixtures/postgres-server.js";
import { type DatabasePlace, openDatabase } from "../src/database/open-database.js";
import { SqlStore } from "../src/database/sql-store.js";

/** A kind of database, for suites that run over each. */
export interface Backend {
  readonly name: string;
  /** An empty database. @param ended by default, it goes with the test */
  place(ended?: Ended): Promise<DatabasePlace>;
}

const sqlite: Backend = {
  name: "SQLite",
  place: async (ended) => ({ file: join(temporaryFolder(ended), "authority.db") }),
};

/** Started when it is first asked for, once a file. To be called where its tests are declared. */
export function postgres() {
  let server: Promise<PostgresServer> | undefined;
  let stopServer = async () => {};
  let drawn = 0;
  afterAll(() => stopServer());
  return {
    name: "PostgreSQL",
    async place(): Promise<{ readonly url: string }> {
      server ??= PostgresServer.start((stop) => {
        stopServer = stop;
      });
      return { url: await (await server).database(`test${drawn++}`) };
    },
  };
}

/** Both, real. To be called where the tests of a file are declared. */
export const backends = (): readonly Backend[] => [sqlite, postgres()];

/** When what a test made goes away. */
export type Ended = (stop: () => Promise<void> | void) => void;

export function temporaryFolder(ended: Ended = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-authority-"));
  ended(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function openStore(place: DatabasePlace): Promise<SqlStore> {
  const store = new SqlStore(await openDatabase(place));
  onTestFinished(() => store.close());
  return store;
}
