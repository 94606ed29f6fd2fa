import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { sha256Hex } from "@authmesh/core";
import { expect, test } from "vitest";
import { FileAuditSink, verifyAuditLog } from "../../src/node/index.js";
import { event, TestTimers } from "./fixture.js";
import { eventsOf, fill, linesOf, newFolder, newLog, newSigner } from "./log-fixture.js";

const reopened = (path: string) => new FileAuditSink({ path });
const noticesOf = (path: string) => eventsOf(path).flatMap(({ data }) => data?.notice ?? []);
const isSound = async (...files: string[]) => {
  const { findings, lines } = await verifyAuditLog(files);
  expect(findings).toEqual([]);
  return lines;
};

test("each line is the event in canonical JSON with its number and the SHA-256 of the line before", async () => {
  const { path, sink } = newLog();
  await fill(sink, 3);
  const lines = linesOf(path);
  const events = eventsOf(path);
  expect(events.map(({ id }) => id)).toEqual(["e1", "e2", "e3"]);
  expect(events.map(({ sequence }) => sequence)).toEqual([
    "0000000000000001",
    "0000000000000002",
    "0000000000000003",
  ]);
  expect(events.map(({ prevhash }) => prevhash)).toEqual([
    "0".repeat(64),
    sha256Hex(lines[0] ?? ""),
    sha256Hex(lines[1] ?? ""),
  ]);
  const names = Object.keys(events[0]);
  expect(names).toEqual([...names].sort());
});

test("sha256sum agrees", async () => {
  const { path, sink } = newLog();
  await fill(sink, 2);
  const { stdout } = spawnSync("sh", ["-c", `head -1 "$0" | tr -d '\\n' | sha256sum`, path], {
    encoding: "utf8",
  });
  expect(stdout.slice(0, 64)).toBe(eventsOf(path)[1].prevhash);
});

test("the chain goes on after a restart", async () => {
  const { path, sink } = newLog();
  await fill(sink, 2);
  await sink.close();
  const again = reopened(path);
  await fill(again, 2, 3);
  await again.close();
  expect(await isSound(path)).toBe(4);
});

test("what waits together is written together, in order, and acknowledged together", async () => {
  const { path, sink } = newLog({ fsync: "always" });
  await Promise.all(Array.from({ length: 500 }, (_, i) => sink.write([event(`e${i}`)])));
  expect(eventsOf(path).map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, i) => `e${i}`));
  await isSound(path);
});

test("a line that was begun and not ended is cut off at the next start, and the log says so", async () => {
  const { path, sink } = newLog();
  await fill(sink, 2);
  await sink.close();
  appendFileSync(path, '{"data":{},"datacont');
  const again = reopened(path);
  await fill(again, 1, 3);
  await again.close();
  expect(noticesOf(path)).toEqual(["torn_line_removed"]);
  expect(eventsOf(path)[2].data).toEqual({ notice: "torn_line_removed", bytes: 20 });
  expect(await isSound(path)).toBe(4);
});

test("nothing is cut off a file that is no audit log: it is set aside as it is", async () => {
  const { path } = newLog();
  writeFileSync(path, "somebody's notes");
  const sink = reopened(path);
  await fill(sink, 1);
  await sink.close();
  const [kept = ""] = readdirSync(dirname(path)).filter((name) => name.startsWith("audit.jsonl."));
  expect(spawnSync("cat", [join(dirname(path), kept)], { encoding: "utf8" }).stdout).toBe("somebody's notes");
  expect(eventsOf(path)[0].data).toEqual({ notice: "file_set_aside", keptAs: kept });
});

test("a full file makes way for another one, and the chain goes on in it, after a restart too", async () => {
  const { path, sink } = newLog({ maxBytes: 1000 });
  await fill(sink, 10);
  await sink.close();
  const again = new FileAuditSink({ path, maxBytes: 1000 });
  await fill(again, 5, 11);
  await again.close();
  const files = readdirSync(dirname(path)).map((name) => join(dirname(path), name));
  expect(files.length).toBeGreaterThan(3);
  expect(await isSound(...files.toReversed())).toBe(15);
  expect(files.flatMap(noticesOf)).toEqual([]);
});

test("the chain goes on when the process ended between two files", async () => {
  const { path, sink } = newLog({ maxBytes: 1 });
  await fill(sink, 3);
  await sink.close();
  renameSync(path, `${path}.20991231T235959999Z-0000000000000003`);
  const again = reopened(path);
  await fill(again, 1, 4);
  await again.close();
  expect(eventsOf(path)[0].sequence).toBe("0000000000000004");
  await isSound(...readdirSync(dirname(path)).map((name) => join(dirname(path), name)));
});

test("another file is begun at midnight", async () => {
  let now = Date.UTC(2026, 2, 30, 23, 59, 59);
  const { path, sink } = newLog({ rotateSeconds: 86_400, now: () => now });
  await fill(sink, 3);
  expect(linesOf(path)).toHaveLength(3);
  now += 1000;
  await fill(sink, 1, 4);
  expect(eventsOf(path).map(({ id }) => id)).toEqual(["e4"]);
  expect(existsSync(`${path}.20260331T000000000Z-0000000000000003`)).toBe(true);
  await sink.close();
  utimesSync(path, now / 1000, now / 1000);
  now += 86_400_000;
  const nextDay = new FileAuditSink({ path, rotateSeconds: 86_400, now: () => now });
  await fill(nextDay, 1, 5);
  await nextDay.close();
  expect(eventsOf(path).map(({ id }) => id)).toEqual(["e5"]);
});

test("a file that was moved away is noticed: the chain goes on in a new one, which says so", async () => {
  const { path, sink } = newLog();
  await fill(sink, 2);
  renameSync(path, `${path}.moved`);
  await fill(sink, 1, 3);
  expect(noticesOf(path)).toEqual(["file_moved"]);
  expect(await isSound(path, `${path}.moved`)).toBe(4);
});

test("a file that was cut off is noticed, and the log says so", async () => {
  const { path, sink } = newLog();
  await fill(sink, 3);
  truncateSync(path, Buffer.byteLength(`${linesOf(path)[0]}\n`));
  await fill(sink, 1, 4);
  expect(noticesOf(path)).toEqual(["file_truncated"]);
  const { findings } = await verifyAuditLog([path]);
  expect(findings).toMatchObject([{ kind: "missing", detail: "Numbers 2 to 3 are missing." }]);
});

test("lines that somebody else appended are noticed, and are not continued", async () => {
  const { path, sink } = newLog();
  await fill(sink, 2);
  appendFileSync(path, "{}\n");
  await fill(sink, 1, 3);
  expect(noticesOf(path)).toEqual(["file_grown"]);
  expect((await verifyAuditLog([path])).findings).toMatchObject([{ kind: "unreadable", line: 3 }]);
});

test("a second writer of one file is refused, in this process and in another, until the first one closes", async () => {
  const { path, sink } = newLog();
  await fill(sink, 1);
  const second = reopened(path);
  const refused = { code: "storage_failed", message: expect.stringContaining(`process ${process.pid} on `) };
  await expect(fill(second, 1)).rejects.toMatchObject(refused);
  await sink.close();
  await fill(second, 1, 2);
  await second.close();
  expect(existsSync(`${path}.lock`)).toBe(false);
  await isSound(path);
});

test("a writer that lost its lock to another one writes no more", async () => {
  const { path, sink } = newLog();
  await fill(sink, 1);
  const [token = ""] = readdirSync(`${path}.lock`);
  utimesSync(join(`${path}.lock`, token), 1, 1); // no sign of life
  const other = reopened(path);
  await fill(other, 1, 2);
  await expect(fill(sink, 1, 3)).rejects.toMatchObject({ code: "storage_failed" });
  await other.close();
  await fill(sink, 1, 3);
  expect(
    eventsOf(path)
      .map(({ id }) => id)
      .filter((id) => /^e\d$/.test(id)),
  ).toEqual(["e1", "e2", "e3"]);
});

test("a link, a folder and a pipe in the file's place are refused, and nobody hangs", async () => {
  const folder = newFolder();
  const target = join(folder, "target");
  writeFileSync(target, "");
  symlinkSync(target, join(folder, "link"));
  spawnSync("mkfifo", [join(folder, "pipe")]);
  for (const path of [
    join(folder, "link"),
    folder,
    join(folder, "pipe"),
    join(folder, "none", "audit.jsonl"),
  ])
    await expect(fill(reopened(path), 1)).rejects.toMatchObject({ code: "storage_failed" });
});

test("a full disk is reported, leaves no part of a line, and is recovered from", async () => {
  const { path } = newLog();
  const folder = join(dirname(path), "small");
  expect(spawnSync("sh", ["-c", 'mkdir "$0" && mount -t tmpfs -o size=64k tmpfs "$0"', folder]).status).toBe(
    0,
  );
  try {
    const small = join(folder, "audit.jsonl");
    const sink = reopened(small);
    await fill(sink, 1);
    const large = event("large", true, { text: "x".repeat(80_000) });
    await expect(sink.write([large])).rejects.toMatchObject({
      code: "storage_failed",
      message: expect.stringContaining("the disk is full"),
    });
    expect(linesOf(small)).toHaveLength(1);
    await fill(sink, 1, 2);
    await sink.close();
    expect(await isSound(small)).toBe(2);
  } finally {
    spawnSync("umount", [folder]);
  }
});

test("an event that JSON cannot hold is told of without its data, and holds up nothing", async () => {
  const { path, sink } = newLog();
  const loop: Record<string, unknown> = {};
  loop["loop"] = loop;
  const data = [{ text: "\ud800" }, { number: Number.NaN }, loop, { text: "x".repeat(2 << 20) }];
  for (const [i, each] of data.entries()) await sink.write([event(`e${i}`, true, each as never)]);
  expect(eventsOf(path)).toHaveLength(4);
  for (const { data } of eventsOf(path)) expect(data).toEqual({ leftOut: "data" });
  await isSound(path);
});

test("where the chain stands is signed every so many events, every so many seconds, and at the end", async () => {
  const { signer, key } = newSigner();
  const timers = new TestTimers();
  const kept: string[] = [];
  const checkpoints = {
    signer,
    everyEvents: 3,
    everySeconds: 10,
    onCheckpoint: (jws: string) => kept.push(jws),
  };
  const { path, sink } = newLog({ checkpoints, schedule: timers.schedule, fsync: "never" });
  const until = async (count: number) => {
    while (kept.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  await fill(sink, 3);
  await until(1);
  await fill(sink, 1, 4);
  await timers.pass(10_000);
  await until(2);
  await timers.pass(600_000); // nothing new: nothing to sign
  await fill(sink, 1, 5);
  await sink.close();
  expect(kept).toHaveLength(3);
  const report = await verifyAuditLog([path], { keys: [key], checkpoint: kept[2] as string });
  expect(report).toMatchObject({ lines: 8, signedThrough: 7, findings: [], lastCheckpoint: kept[2] });
});

test("a key that does not sign holds up no event, and is not asked at every one", async () => {
  const { signer } = newSigner();
  let asked = 0;
  const sign = async () => {
    asked++;
    throw new Error("away");
  };
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const checkpoints = { signer: { ...signer, sign }, everyEvents: 1, logger };
  const { path, sink } = newLog({ checkpoints, schedule: new TestTimers().schedule });
  await fill(sink, 5);
  expect(linesOf(path)).toHaveLength(5);
  expect(asked).toBeLessThan(3);
});

test("options that make no sense are refused", () => {
  for (const options of [
    { path: "" },
    { path: "x", fsync: "often" },
    { path: "x", maxBytes: 0 },
    { path: "x", rotateSeconds: 0.5 },
  ])
    expect(() => new FileAuditSink(options as never)).toThrow(TypeError);
});
