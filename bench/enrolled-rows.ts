/** What does an enrollment take in PostgreSQL, with all that stands beside it, its indexes included? */
import { PrivateKey } from "@authmesh/core";
import pg from "pg";
import { freePort } from "../test/fixtures/free-port.js";
import { PostgresServer } from "../test/fixtures/postgres-server.js";
import { print, smoke, whole } from "./compare.js";
import { EnrollingAuthority, optionsIn, temporaryFolder } from "./enrolling-authority.js";

/** What a table takes before its first rows is left out: what counts are those from `first` on. */
const first = smoke ? 40 : 10_000;
const last = smoke ? 200 : 100_000;
const atOnce = 8;

const stops: (() => Promise<void>)[] = [];
const server = await PostgresServer.start((stop) => stops.push(stop));
const url = await server.database("bench");
const client = new pg.Client({ connectionString: url });
await client.connect();
try {
  const told = { write: async () => {} }; // what no audit was told yet would stay
  const options = { ...optionsIn(temporaryFolder(), await freePort(), { DATABASE_URL: url }), audit: told };
  const enrolling = await EnrollingAuthority.start(options);
  const accounts = Array.from({ length: atOnce }, (_, i) => `@bench-${i}`);
  for (const account of accounts) await enrolling.open(account);
  await enroll(enrolling, accounts, first);
  const before = await sizes();
  await enroll(enrolling, accounts, last - first);
  const after = await sizes();
  await enrolling.authority.close();
  const each = [...after]
    .map(([table, bytes]) => [table, (bytes - (before.get(table) ?? 0)) / (last - first)] as const)
    .filter(([, bytes]) => bytes >= 1)
    .sort(([, a], [, b]) => b - a);
  const all = each.reduce((sum, [, bytes]) => sum + bytes, 0);
  print(`Bytes of an enrollment in PostgreSQL, the ${whole(first)}th to the ${whole(last)}th`, {
    ...Object.fromEntries(each.map(([table, bytes]) => [table, whole(bytes)])),
    "all of them": whole(all),
    "of these for a day, or 10,000 of an account": "feed_deltas",
  });
} finally {
  await client.end();
  for (const stop of stops) await stop();
}

async function enroll(enrolling: EnrollingAuthority, accounts: readonly string[], count: number) {
  const ofOne = count / accounts.length;
  await Promise.all(
    accounts.map(async (account) => {
      const invitation = await enrolling.invite(ofOne, true, account);
      for (let i = 0; i < ofOne; i++)
        await enrolling.request(PrivateKey.generate().publicKey.base64, invitation, account);
    }),
  );
}

/** Bytes of each table, indexes and long values included. */
async function sizes(): Promise<ReadonlyMap<string, number>> {
  await client.query("vacuum analyze");
  const { rows } = await client.query<{ table: string; bytes: string }>(
    "select relname as table, pg_total_relation_size(oid) as bytes from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  return new Map(rows.map(({ table, bytes }) => [table, Number(bytes)]));
}
