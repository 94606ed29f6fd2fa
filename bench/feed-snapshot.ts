/** What does a feed of 100,000 devices cost its authority and a verifier, and what a look-up in the verifier's copy? */
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { deviceIdOf, PrivateKey, randomBytes, toBase64 } from "@authmesh/core";
import { FeedKeys, followFeed, readSnapshot } from "@authmesh/oath/feed";
import { createClient } from "@libsql/client";
import { freePort } from "../test/fixtures/free-port.js";
import { compare, held, median, print, smoke, whole } from "./compare.js";
import { account, clientOf, EnrollingAuthority, optionsIn, temporaryFolder } from "./enrolling-authority.js";

const size = smoke ? 1000 : 100_000;
const rounds = smoke ? 1 : 5;
const lineFeed = 0x0a;

const options = optionsIn(temporaryFolder(), await freePort());
const first = await EnrollingAuthority.start(options);
await first.open();
const verifier = PrivateKey.generate();
await first.request(verifier.publicKey.base64, await first.invite(1, true), account, { feed: "r" });
await first.authority.close();
const keys = await enroll(size);
const { authority, url } = await EnrollingAuthority.start(options);
const pin = authority.state.feedKeys.thumbprint ?? "";
const { fetch: signed } = clientOf(verifier);

const [built, packed] = await timed(() => ask("gzip"));
const [sent] = await timed(() => ask("gzip"));
const [unpacked, plain] = await timed(() => ask("identity"));
const [followed] = await timed(() => follow());

const feedKeys = new FeedKeys(url, pin);
feedKeys.learn(JSON.parse(await (await signed(`${url}/v1/feeds/key`)).text()));
const times = { ours: [] as number[], peer: [] as number[] };
const delay = monitorEventLoopDelay({ resolution: 1 });
let memory = held();
const { state } = await readOurs(); // the one that is asked below; nothing is compiled yet
const ourBytes = held() - memory;
memory = held();
const peer = readPeer();
const peerBytes = held() - memory;
for (let round = 0; round < rounds; round++) {
  delay.enable();
  times.ours.push((await timed(readOurs))[0]);
  delay.disable();
  times.peer.push((await timed(async () => readPeer()))[0]);
}
await authority.close();

print(`A feed of ${whole(size)} devices`, {
  "its snapshot, plain": `${megabytes(plain.length)}, ${whole(plain.length / size)} bytes a device`,
  "with gzip": `${megabytes(packed)}, ${whole(packed / size)} bytes a device`,
  "made from SQLite, packed and sent": `${whole(built)} ms; sent again ${whole(sent)} ms, unpacked ${whole(unpacked)} ms`,
  "followed over HTTP, from nothing": `${whole(followed)} ms, the authority's share included`,
});
print("Read by a verifier, its bytes already there", {
  ours: `${whole(median(times.ours))} ms, nothing else waits longer than ${whole(delay.max / 1e6)} ms`,
  "JSON.parse of each line, Map.set": `${whole(median(times.peer))} ms, in one go`,
  ratio: median(times.peer.map((time, round) => time / (times.ours[round] as number))).toFixed(2),
  "memory of ours": `${megabytes(ourBytes)}, ${whole(ourBytes / size)} bytes a device`,
  "memory of the peer": `${megabytes(peerBytes)}, ${whole(peerBytes / size)} bytes a device`,
});

// As they come from the wire: not the strings that the copy holds.
const asked: readonly string[] = JSON.parse(JSON.stringify(keys.slice(0, 65_536)));
let next = 0;
let found = 0;
const key = () => asked[next++ % asked.length] as string;
const count = (device: unknown) => {
  if (device !== undefined) found++;
};
const calls = 20_000;
await compare({
  question: "Whose key is this, and is it revoked? All of the devices, one after another",
  ours: () => count(state.find(key())),
  peer: () => count(peer.get(key())),
  peerName: "Map.get of what JSON.parse made",
  calls,
});
const cpu = process.cpuUsage();
for (let i = 0; i < calls * 20; i++) count(state.find(key()));
const each = process.cpuUsage(cpu).user / (calls * 20);
print(`  (${whole(found)} were found)`, {
  "a look-up": `${each.toFixed(2)} µs of the processor (aim: under 1)`,
  met: each < 1 ? "yes" : "NO",
});

/** Puts devices into the feed as enrollments would have: one by one they would take minutes. */
async function enroll(count: number): Promise<string[]> {
  const database = createClient({ url: `file:${join(options.dir, "authority.db")}` });
  const keys: string[] = [];
  while (keys.length < count) {
    const rows = Array.from({ length: Math.min(1000, count - keys.length) }, (_, row) => {
      // Whether it is a point of the curve is not asked before a device calls.
      const key = Uint8Array.of(2, ...randomBytes(32));
      const box = `box-${keys.length + row}`;
      const value = {
        key: toBase64(key),
        name: `orders/${box}`,
        scopes: { orders: "rw", profile: "r" },
        sub: `svc://bench/orders/${box}`,
      };
      return { id: deviceIdOf(key), value };
    });
    await database.batch(
      rows.map(({ id, value }) => ({
        sql: "insert into feed_entries (feed, kind, id, value) values (?, 'device', ?, ?)",
        args: [account, id, JSON.stringify(value)],
      })),
      "write",
    );
    keys.push(...rows.map(({ value }) => value.key));
  }
  database.close();
  return keys;
}

/** The snapshot as it comes: of a packed one its length alone. */
async function ask(encoding: "identity"): Promise<Buffer>;
async function ask(encoding: "gzip"): Promise<number>;
async function ask(encoding: "identity" | "gzip"): Promise<Buffer | number> {
  const answer = await signed(`${url}/v1/feeds/${account}/snapshot`, {
    headers: { "accept-encoding": encoding },
  });
  if (answer.status !== 200)
    throw new Error(`The authority answered ${answer.status}: ${await answer.text()}`);
  const body = Buffer.from(await answer.arrayBuffer());
  return encoding === "identity" ? body : Number(answer.headers.get("content-length"));
}

async function follow(): Promise<void> {
  const feed = followFeed({ authority: { url, key: pin }, feed: account, fetch: signed });
  await feed.ready();
  const problem = feed.check();
  if (problem !== undefined) throw new Error(problem.detail);
  feed.close();
}

async function readOurs() {
  return readSnapshot(inPieces(plain), (jws) => feedKeys.read(jws));
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function readPeer(): Map<string, unknown> {
  const devices = new Map<string, unknown>();
  for (let at = plain.indexOf(lineFeed) + 1; at < plain.length; ) {
    const end = plain.indexOf(lineFeed, at);
    const [, , device] = JSON.parse(plain.toString("utf8", at, end));
    devices.set(device.key, device);
    at = end + 1;
  }
  return devices;
}

/** Milliseconds that something took, and what came of it. */
async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const began = performance.now();
  const result = await work();
  return [performance.now() - began, result];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
