/**
 * How many enrollments does an authority decide a second? Each is two transactions, a request and its approval, with all
 * that they write: keys, uses, the feed, the audit's events. Beside them transactions that insert one row into the same
 * database. No HTTP.
 */
import { randomUUID } from "node:crypto";
import { loadavg } from "node:os";
import { PrivateKey } from "@authmesh/core";
import { freePort } from "../test/fixtures/free-port.js";
import { type AuthorityDatabase, overBoth } from "./authority-database.js";
import { median, print, smoke, whole } from "./compare.js";
import { EnrollingAuthority, optionsIn } from "./enrolling-authority.js";

const rounds = smoke ? 1 : 9;
const ofOneRound = smoke ? 8 : 80;

await overBoth(answer);
console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);

async function answer(database: AuthorityDatabase): Promise<void> {
  const enrolling = await EnrollingAuthority.start(optionsIn(database.dir, await freePort(), database.env));
  await database.execute("create table bench_rows (id text primary key, value text not null)");
  const accounts = Array.from({ length: 8 }, (_, i) => `@bench-${i}`);
  for (const account of accounts) await enrolling.open(account);

  for (const atOnce of [1, accounts.length]) {
    const busy = accounts.slice(0, atOnce);
    const invitations = new Map<string, string>();
    for (const account of busy)
      invitations.set(account, await enrolling.invite(((rounds + 1) * ofOneRound) / atOnce, false, account));
    const decide = async (account: string) => {
      const { publicKey } = PrivateKey.generate();
      const invitation = invitations.get(account) ?? "";
      const { id } = await enrolling.request(publicKey.base64, invitation, account);
      await enrolling.enrollments.decide(enrolling.master(account), { id, type: "approve" });
    };
    const insert = () =>
      database.execute(`insert into bench_rows (id, value) values ('${randomUUID()}', '${"x".repeat(500)}')`);
    const rates = { ours: [] as number[], peer: [] as number[] };
    for (let round = 0; round <= rounds; round++) {
      const [ours, peer] = [await rate(busy, decide), await rate(busy, insert)];
      if (round === 0) continue; // fills caches
      rates.ours.push(ours);
      rates.peer.push(peer);
    }
    print(
      `Enrollments on ${database.name}, ${atOnce === 1 ? "one at a time" : `${atOnce} accounts at a time`}`,
      {
        "ours, requested and approved": `${whole(median(rates.ours))}/s`,
        "durable inserts of one row": `${whole(median(rates.peer))}/s`,
        "ratio of transactions": median(
          rates.ours.map((each, round) => (2 * each) / (rates.peer[round] as number)),
        ).toFixed(2),
      },
    );
  }
  await enrolling.authority.close();
}

/** How often a second something is done, for so many at a time. */
async function rate(forWhom: readonly string[], work: (account: string) => Promise<void>): Promise<number> {
  const began = performance.now();
  await Promise.all(
    forWhom.map(async (account) => {
      for (let i = 0; i < ofOneRound / forWhom.length; i++) await work(account);
    }),
  );
  return (ofOneRound / (performance.now() - began)) * 1000;
}
