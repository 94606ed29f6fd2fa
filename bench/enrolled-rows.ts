/** What does an enrollment that is approved take in PostgreSQL, indexes included, and in the memory of each replica? */
import { PrivateKey } from "@authmesh/core";
import pg from "pg";
import { freePort } from "../test/fixtures/free-port.js";
import { PostgresServer } from "../test/fixtures/postgres-server.js";
import { held, print, smoke, whole } from "./compare.js";
import { EnrollingAuthority, optionsIn, temporaryFolder } from "./enrolling-authority.js";

/** What a table takes before its first rows is left out: what counts are those from `first` on. */
const first = smoke ? 40 : 2_000;
const last = smoke ? 200 : 12_000;
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
  const early = await enroll(enrolling, accounts, first);
  const [before, memoryBefore] = [await sizes(), held()];
  const late = await enroll(enrolling, accounts, last - first);
  const [after, memory] = [await sizes(), (held() - memoryBefore) / (last - first)];
  await enrolling.authority.close();
  const each = [...after]
    .map(([table, bytes]) => [table, (bytes - (before.get(table) ?? 0)) / (last - first)] as const)
    .filter(([, bytes]) => bytes >= 1)
    .sort(([, a], [, b]) => b - a);
  const all = each.reduce((sum, [, bytes]) => sum + bytes, 0);
  print(`Bytes of an enrollment, the ${whole(first)}th to the ${whole(last)}th`, {
    ...Object.fromEntries(each.map(([table, bytes]) => [table, whole(bytes)])),
    "all tables": whole(all),
    "of these for a day, or 10,000 of an account": "feed_deltas",
    "memory of the authority": whole(memory),
    [`enrolled, ${atOnce} accounts at a time`]: `${whole(early)}/s up to the ${whole(first)}th, ${whole(late)}/s from there`,
  });
} finally {
  await client.end();
  for (const stop of stops) await stop();
}

/** @returns how many a second */
async function enroll(enrolling: EnrollingAuthority, accounts: readonly string[], count: number) {
  const ofOne = count / accounts.length;
  const began = performance.now();
  await Promise.all(
    accounts.map(async (account) => {
      const invitation = await enrolling.invite(ofOne, true, account);
      for (let i = 0; i < ofOne; i++)
        await enrolling.request(PrivateKey.generate().publicKey.base64, invitation, account);
    }),
  );
  return (count / (performance.now() - began)) * 1000;
}

/** Bytes of each table, indexes and long values included. */
async function sizes(): Promise<ReadonlyMap<string, number>> {
  await client.query("vacuum analyze");
  const { rows } = await client.query<{ table: string; bytes: string }>(
    "select relname as table, pg_total_relation_size(oid) as bytes from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  return new Map(rows.map(({ table, bytes }) => [table, Number(bytes)]));
}
