import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildPackage } from "../../../keystore/test/processes/built.js";
import { start } from "../../../keystore/test/processes/child.js";
import { FileAuditSink, verifyAuditLog } from "../../src/node/index.js";
import { eventsOf, fill, newFolder } from "./log-fixture.js";

beforeAll(() => buildPackage("oath"));

const filesBeside = (path: string) =>
  readdirSync(dirname(path))
    .filter((name) => name.startsWith("audit.jsonl") && !name.endsWith(".lock"))
    .sort()
    .map((name) => join(dirname(path), name));
const begin = (path: string, prefix: string) => start("processes/append.js", [path, prefix], import.meta.url);

test("kill -9, many times and at any moment, loses nothing that was acknowledged, and breaks no chain", async () => {
  const path = join(newFolder(), "audit.jsonl");
  const acknowledged: string[] = [];
  for (let run = 0; run < 12; run++) {
    const writer = begin(path, `r${run}`);
    for (let lines = 0; lines < 1 + 40 * run; lines++) await writer.nextLine();
    writer.process.kill("SIGKILL");
    expect(await writer.ended).toBe("SIGKILL");
    acknowledged.push(...writer.lines);
  }
  const files = filesBeside(path);
  expect(files.length).toBeGreaterThan(5);
  const { findings, notices } = await verifyAuditLog(files);
  expect(findings.filter(({ kind }) => kind !== "torn")).toEqual([]);
  expect(notices.every(({ notice }) => notice === "torn_line_removed")).toBe(true);
  const written = new Set(files.flatMap(eventsOf).map(({ id }) => id));
  expect(acknowledged.length).toBeGreaterThan(2000);
  expect(acknowledged.filter((id) => !written.has(id))).toEqual([]);
}, 60_000);

test("another process that writes the file is refused, and told who has it; once that one is dead, it is let in", async () => {
  const path = join(newFolder(), "audit.jsonl");
  const writer = begin(path, "first");
  await writer.nextLine();
  const late = begin(path, "second");
  expect(await late.nextLine()).toMatch(`storage_failed: ${path}.lock: process ${writer.process.pid} on `);
  writer.process.kill("SIGKILL");
  await writer.ended;
  const sink = new FileAuditSink({ path });
  await fill(sink, 1);
  await sink.close();
});
