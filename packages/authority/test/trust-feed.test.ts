import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { revokeDevice } from "@authmesh/keystore";
import { type IssuerKey, importIssuerKey } from "@authmesh/oath";
import { feedTokenId, firstFeedDigest, readFeedRotation } from "@authmesh/oath/feed";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { openDatabase } from "../src/database/open-database.js";
import { SqlStore } from "../src/database/sql-store.js";
import { CopiedState, FeedReader } from "./feed-reader.js";
import { Device, RunningAuthority, secret } from "./running-authority.js";
import { postgres } from "./stores.js";

const seconds = () => Math.floor(Date.now() / 1000);
const entry = (value: string) =>
  ({ by: "jti", value, reason: "lost", actor: "am_x", at: seconds() }) as const;
const idOf = (value: string) => feedTokenId({ by: "jti", value });
const revoke = ({ authority }: RunningAuthority, value: string) =>
  authority.state.store.addRevocation(entry(value));
const readerOf = async (running: RunningAuthority) =>
  FeedReader.open(running.url, await running.device({ feed: "r" }));

describe("the trust feed of an authority", () => {
  let running: RunningAuthority;
  let reader: FeedReader;

  beforeAll(async () => {
    running = await RunningAuthority.start({}, afterAll);
    reader = await readerOf(running);
  });

  it("tells a revocation of a token at once, and that it was taken back", async () => {
    const events = await reader.events("tokens");
    const { epoch, number } = await events.nextOf("head");
    await revoke(running, "one-token");
    expect(await events.nextOf("delta")).toMatchObject({
      iss: running.url,
      epoch,
      number: number + 1,
      changes: [["token", idOf("one-token"), { at: expect.any(Number) }]],
    });
    const head = await events.nextOf("head");
    expect(head).toMatchObject({ number: number + 1 });
    expect(Math.abs(head.iat - seconds())).toBeLessThan(5);
    await running.authority.state.store.removeRevocation({ ...entry("one-token"), actor: "am_x" });
    expect(await events.nextOf("delta")).toMatchObject({ changes: [["token", idOf("one-token"), null]] });
    await events.close();
  });

  it("tells by a snapshot what its deltas tell", async () => {
    const start = new CopiedState().take(await reader.snapshot("tokens"));
    for (const value of ["b", "a", "c"]) await revoke(running, value);
    await vi.waitUntil(async () => (await reader.head("tokens")).number === start.number + 3, 2000);
    for (const delta of await reader.deltas("tokens", start.position)) start.apply(delta);
    const end = new CopiedState().take(await reader.snapshot("tokens"));
    expect(end.lines).toEqual(start.lines);
    expect([end.position, end.digest]).toEqual([start.position, start.digest]);
    expect((await reader.head("tokens")).digest).toEqual(end.digest);
  });

  it("goes on where a reader was cut off, and not before", async () => {
    const from = (await reader.head("tokens")) as { epoch: number; number: number };
    await revoke(running, "missed-1");
    await revoke(running, "missed-2");
    await vi.waitUntil(async () => (await reader.head("tokens")).number === from.number + 2, 2000);
    const events = await reader.events("tokens", from);
    expect(await events.nextOf("delta")).toMatchObject({ number: from.number + 1 });
    expect(await events.nextOf("delta")).toMatchObject({ number: from.number + 2 });
    expect(await events.nextOf("head")).toMatchObject({ number: from.number + 2 });
    await revoke(running, "heard");
    expect(await events.nextOf("delta")).toMatchObject({ number: from.number + 3 });
    await events.close();
  });

  it("answers with a mark by which nothing is sent twice", async () => {
    const { epoch, number } = await reader.head("tokens");
    const snapshot = await reader.get("tokens", "snapshot");
    expect(snapshot.headers.get("content-encoding")).toBe("gzip");
    const etag = snapshot.headers.get("etag") ?? "";
    expect(etag).toBe(`"${epoch}.${number}"`);
    const after = `deltas?after=${epoch}.${number}`;
    const marked = { "If-None-Match": etag };
    expect((await reader.get("tokens", "snapshot", marked)).status).toBe(304);
    expect((await reader.get("tokens", after, marked)).status).toBe(304);
    expect(await (await reader.get("tokens", after)).json()).toMatchObject({ deltas: [], more: false });
    const plain = await reader.get("tokens", "snapshot", { "Accept-Encoding": "gzip;q=0" });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(await plain.text()).toBe(await snapshot.text());
  });

  it("refuses what is no position, no feed, and whoever may not read", async () => {
    expect((await reader.get("tokens", "deltas")).status).toBe(400);
    expect((await reader.get("tokens", "deltas?after=1.-1")).status).toBe(400);
    expect((await reader.get("@nobody", "head")).status).toBe(404);
    expect((await reader.get("%00", "head")).status).toBe(400);
    const statuses = async (device: { readonly fetch: typeof fetch }) =>
      (await (await FeedReader.open(running.url, device)).get("tokens", "head")).status;
    expect(await statuses(await running.device({}))).toBe(403);
    expect(await statuses(new Device())).toBe(401);
    expect(await statuses({ fetch })).toBe(400);
  });

  it("ends the stream of a device that was revoked", async () => {
    const device = await running.device({ feed: "r" });
    const events = await (await FeedReader.open(running.url, device)).events("tokens");
    await events.nextOf("head");
    await running.authority.state.devices.update((draft) =>
      revokeDevice(draft, { deviceId: device.id, now: seconds() }),
    );
    for (let event = await events.next(); event !== undefined; event = await events.next())
      expect(event.event).not.toBe("delta");
  });

  it("hears of what another process writes into the same file", async () => {
    const events = await reader.events("tokens");
    await events.nextOf("head");
    const file = join(running.authority.state.dir, "authority.db");
    const other = new SqlStore(await openDatabase({ file }));
    await other.addRevocation(entry("by-another-process"));
    await other.close();
    const { changes } = await events.nextOf("delta");
    expect(changes[0]?.[1]).toBe(idOf("by-another-process"));
    await events.close();
  });

  it("is signed by another key after a rotation, which both keys sign", async () => {
    const { feedKeys } = running.authority.state;
    const before = await (await fetch(`${running.url}/v1/feeds/key`)).json();
    expect(before).toMatchObject({ key: { kid: feedKeys.thumbprint }, rotations: [] });
    const events = await reader.events("tokens");
    await events.nextOf("head");
    await feedKeys.rotate(running.url);
    await revoke(running, "before-it-was-seen");
    await vi.waitUntil(async () => (await reader.learnKey()) !== before.key.kid, 2000);
    const { key, rotations } = await (await fetch(`${running.url}/v1/feeds/key`)).json();
    expect(rotations).toHaveLength(1);
    const rotation = readFeedRotation(rotations[0]);
    expect(rotation).toMatchObject({ iss: running.url, old: before.key.kid, seq: 1, new: key });
    expect(rotation.isBy(importIssuerKey(before.key).key as IssuerKey)).toBe(true);
    expect((await reader.snapshot("tokens")).statement.kind).toBe("snapshot");
    const rows = await running.authority.state.feeds.readKeys();
    expect(rows.map(({ sealed }) => sealed === undefined)).toEqual([true, false]);
    await vi.waitUntil(
      () => running.events.some(({ type, data }) => type.endsWith("key.rotated") && data["of"] === "feed"),
      2000,
    );
    await events.close();
  });
});

it("tells of more than readers can take at once by a head alone, and they ask for the rest", async () => {
  const running = await RunningAuthority.start({ publicTokensFeed: true });
  const reader = await FeedReader.open(running.url);
  const events = await reader.events("tokens");
  const { epoch } = await events.nextOf("head");
  const { store } = running.authority.state;
  const long = "x".repeat(500);
  await Promise.all(Array.from({ length: 150 }, (_, n) => store.addRevocation(entry(`${n}-${long}`))));
  while ((await events.nextOf("head")).number < 150);
  const copy = new CopiedState().take(await reader.snapshot("tokens"));
  const other = new CopiedState();
  other.epoch = epoch;
  other.digest = firstFeedDigest("tokens", epoch);
  for (const delta of await reader.deltas("tokens", { epoch, number: 0 })) other.apply(delta);
  expect(other.lines).toEqual(copy.lines);
  expect(other.digest).toEqual(copy.digest);
  await events.close();
});

it("shows revocations of tokens to everybody where it is told so, and nothing else", async () => {
  const running = await RunningAuthority.start({ publicTokensFeed: true });
  const reader = await FeedReader.open(running.url);
  expect((await reader.head("tokens")).number).toBe(0);
  expect((await reader.get("@acme", "head")).status).toBe(400);
  const events = await reader.events("tokens");
  await events.nextOf("head");
  await running.authority.close();
  for (let event = await events.next(); event !== undefined; event = await events.next())
    expect(event.event).toBe("head");
});

describe("a database that was restored from a backup", () => {
  const backUp = (from: string, to: string) => {
    for (const end of ["", "-wal", "-shm"]) {
      rmSync(`${to}${end}`, { force: true });
      if (existsSync(`${from}${end}`)) copyFileSync(`${from}${end}`, `${to}${end}`);
    }
  };

  /** An authority that ended after it had served one revocation more than its database knows now. */
  async function restored() {
    const first = await RunningAuthority.start({ publicTokensFeed: true });
    const { dir } = first.authority.state;
    const file = join(dir, "authority.db");
    await revoke(first, "kept");
    await first.authority.close();
    backUp(file, join(dir, "backup"));
    const second = await first.restart({ publicTokensFeed: true });
    const reader = await FeedReader.open(second.url);
    const { number } = await reader.head("tokens");
    await revoke(second, "lost");
    await vi.waitUntil(async () => (await reader.head("tokens")).number === number + 1, 2000);
    await second.authority.close();
    backUp(join(dir, "backup"), file);
    return { ended: second, reader, file };
  }

  it("has every feed begin a new epoch, told to the audit, and readers take a snapshot", async () => {
    const { ended, reader } = await restored();
    const again = await ended.restart({ publicTokensFeed: true });
    await vi.waitFor(() => reader.learnKey()); // its old connections are closed
    const copy = new CopiedState().take(await reader.snapshot("tokens"));
    expect(copy.epoch).toBe(2);
    expect(copy.lines.map((line) => line.split(" ")[1])).toEqual([idOf("kept")]);
    const whole = new CopiedState().take(await reader.snapshot("tokens"));
    expect(whole.digest).toEqual((await reader.head("tokens")).digest);
    expect((await reader.get("tokens", "deltas?after=1.2")).status).toBe(410);
    const events = await reader.events("tokens", { epoch: 1, number: 2 });
    const told = await events.next();
    expect([told?.event, told?.data]).toEqual(["snapshot", "{}"]);
    expect(await events.nextOf("head")).toMatchObject({ epoch: 2 });
    await vi.waitUntil(() => again.events.some(({ type }) => type === "dev.authmesh.feed.epoch"), 2000);
  });

  it("is told of at every start where it lacks the feed key that verifiers came to, until another one follows", async () => {
    const first = await RunningAuthority.start({});
    const { dir, feedKeys } = first.authority.state;
    const file = join(dir, "authority.db");
    const old = feedKeys.thumbprint as string;
    await first.authority.close();
    backUp(file, join(dir, "backup"));
    const lines: string[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (line: string) => void lines.push(line) };
    const second = await first.restart({ logger });
    await second.authority.state.feedKeys.rotate(second.url);
    const lost = second.authority.state.feedKeys.thumbprint as string;
    const heads = join(dir, "feed-head.json");
    await vi.waitUntil(() => existsSync(heads) && readFileSync(heads, "utf8").includes(lost), 3000);
    await second.authority.close();
    expect(lines).toEqual([]);
    backUp(join(dir, "backup"), file);
    let last = second;
    for (const told of [1, 2]) {
      last = await last.restart({ logger });
      expect(lines).toHaveLength(told);
      expect(lines.at(-1)).toContain(`signed with ${old}, and verifiers that came to ${lost} refuse that`);
      if (told === 1) await last.authority.close();
    }
    await last.authority.state.feedKeys.rotate(last.url);
    const mended = last.authority.state.feedKeys.thumbprint as string;
    await vi.waitUntil(() => readFileSync(heads, "utf8").includes(mended), 3000);
    await last.authority.close();
    const told = lines.length;
    await last.restart({ logger });
    expect(lines).toHaveLength(told);
  });

  it("is noticed, too, where as much was written since as had been lost", async () => {
    const { ended, reader, file } = await restored();
    const offline = new SqlStore(await openDatabase({ file }));
    for (const value of ["other", "another"]) await offline.addRevocation(entry(value));
    await offline.close();
    await ended.restart({ publicTokensFeed: true });
    await vi.waitFor(() => reader.learnKey()); // its old connections are closed
    expect((await reader.head("tokens")).epoch).toBe(2);
  });
});

const server = postgres();

/** An empty database, and what has an authority use that. */
async function onPostgres() {
  const place = await server.place();
  return {
    place,
    env: { DATABASE_URL: place.url, AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret },
  };
}

it("ends its streams, and begins none, while it does not see its database", async () => {
  let later = 0;
  const { env, place } = await onPostgres();
  const running = await RunningAuthority.start({
    env,
    publicTokensFeed: true,
    now: () => Date.now() + later,
  });
  const reader = await FeedReader.open(running.url);
  const events = await reader.events("tokens");
  await events.nextOf("head");
  const database = await openDatabase(place);
  onTestFinished(() => database.destroy());
  await database.schema.alterTable("feeds").renameTo("feeds_away").execute();
  later = 16_000;
  while ((await events.next()) !== undefined);
  const answer = await reader.get("tokens", "events");
  expect([answer.status, await answer.json()]).toMatchObject([503, { error: "database_unavailable" }]);
  await database.schema.alterTable("feeds_away").renameTo("feeds").execute();
  await vi.waitUntil(async () => {
    const { status, body } = await reader.get("tokens", "events");
    await body?.cancel();
    return status === 200;
  }, 5000);
});

describe("two replicas over one PostgreSQL", () => {
  it("tell what the other one wrote well within a second, with the same statements", async () => {
    const { env } = await onPostgres();
    const options = { env, issuer: "http://localhost:4000", publicTokensFeed: true };
    const [one, other] = [await RunningAuthority.start(options), await RunningAuthority.start(options)];
    const readers = [await FeedReader.open(one.url), await FeedReader.open(other.url)] as const;
    const events = await Promise.all(readers.map((reader) => reader.events("tokens")));
    for (const each of events) await each.nextOf("head");
    const times: number[] = [];
    for (let n = 1; n <= 10; n++) {
      const began = performance.now();
      await revoke(one, `token-${n}`);
      const deltas = await Promise.all(events.map((each) => each.nextOf("delta")));
      times.push(performance.now() - began);
      expect(deltas[1]).toEqual(deltas[0]);
      expect(deltas[0]?.number).toBe(n);
    }
    expect(Math.max(...times)).toBeLessThan(1000);
    await one.authority.state.feeds.beginEpoch("tokens", 1, "a test");
    for (const each of events) {
      for (let event = await each.next(); event?.event !== "snapshot"; event = await each.next())
        expect(event?.event).toBe("head");
      expect(await each.nextOf("head")).toMatchObject({ epoch: 2, number: 1 });
    }
  });
});
