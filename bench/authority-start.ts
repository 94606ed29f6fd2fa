/**
 * How long until an authority with a million enrollments listens, most of them past their end, and what memory does it
 * take then? Once with these written as expired, and once with all of them still to be, as after a long outage. Beside
 * the start with an empty account.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { freePort } from "../test/fixtures/free-port.js";
import { type AuthorityDatabase, overBoth } from "./authority-database.js";
import { print, smoke, whole } from "./compare.js";
import { account, EnrollingAuthority, optionsIn } from "./enrolling-authority.js";
import type { Started } from "./starting-authority.js";

const size = smoke ? 1000 : 1_000_000;
const aimMs = 5000;
const program = fileURLToPath(new URL("starting-authority.js", import.meta.url));

await overBoth(answer);
console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);

async function answer(database: AuthorityDatabase): Promise<void> {
  const { name, dir, env, execute, settle } = database;
  const enrolling = await EnrollingAuthority.start(optionsIn(dir, await freePort(), env));
  await enrolling.open();
  await enrolling.authority.close();
  const empty = await start(database);
  for (const statement of records(Math.floor(Date.now() / 1000))) await execute(statement);
  await settle();
  const written = await start(database);
  await execute("update enrollments set status = 'approved' where status = 'expired'");
  await settle();
  const unwritten = await start(database);
  print(
    `Start of an authority on ${name} with ${whole(size)} enrollments: 94 % past their end, 5 % revoked or denied`,
    {
      "all written as expired": told(written),
      met: written.ms < aimMs ? "yes" : "NO",
      "still to be written": told(unwritten),
      "met then": unwritten.ms < aimMs ? "yes" : "NO",
      "without enrollments": told(empty),
      aim: `under ${whole(aimMs)} ms`,
    },
  );
}

/** 1 % live, 3 % revoked, 2 % denied, and the rest past their end; written by the database, since it has to be quick. */
function records(now: number): readonly string[] {
  const number = `(1000000000000000 + i)`;
  const isOver = "i % 100 >= 6";
  const scopes = `'{"orders":"rw","profile":"r"}'`;
  const columns = {
    id: `'en_' || ${number}`,
    account: `'${account}'`,
    app_name: "'orders'",
    device_name: "'box-' || i",
    device_id: `'am_' || ${number}`,
    public_key: `'Ah' || ${number} || 'abcdefghijklmnopqrstuvwxyz'`,
    status:
      "case when i % 100 = 0 then 'approved' when i % 100 < 4 then 'revoked' when i % 100 < 6 then 'denied' else 'expired' end",
    scopes,
    requested_scopes: scopes,
    requested_at: `${now - 8_000_000} + i`,
    address: "'192.0.2.7'",
    request_digest: `'digest-of-a-request-0123456' || ${number}`,
    s: `'what-the-authority-drew-012' || ${number}`,
    expires_at: `case when ${isOver} then ${now - 7_000_000} + i else null end`,
    decided_at: `${now - 8_000_000} + i`,
    attestation: `'{"status":"none"}'`,
    is_root: "0",
    changed: "1",
  };
  const numbers = `with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < ${size})`;
  const insert = (table: string, values: Record<string, string>, where: string) =>
    `insert into ${table} (${Object.keys(values)}) ${numbers} select ${Object.values(values)} from numbers where ${where}`;
  const { id: enrollment, device_id } = columns;
  return [
    insert("enrollments", columns, "i > 0"),
    insert(
      "enrollment_keys",
      { device_id, enrollment, is_spent: "case when i % 100 = 0 then 0 else 1 end" },
      "i % 100 < 4",
    ),
    insert("enrollment_uses", { enrollment, device_id, counter: "1" }, "i > 0"),
  ];
}

/** In a process of its own, whose memory nothing else is in. */
async function start({ dir, env }: AuthorityDatabase): Promise<Started> {
  const child = fork(program, [dir, String(await freePort()), env["DATABASE_URL"] ?? ""]);
  const [started] = (await once(child, "message")) as [Started];
  const over = once(child, "exit");
  child.disconnect();
  await over;
  return started;
}

function told({ ms, rss, heap, longestStop }: Started): string {
  const memory = `${whole(heap / 1e6)} MB of objects, ${whole(rss / 1e6)} MB in all`;
  return `${whole(ms)} ms, ${memory}; then stops of up to ${whole(longestStop)} ms`;
}
