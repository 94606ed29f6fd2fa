/** How many events a second go into a chained file, beside bare appends of the same lines? No HTTP. */
import {
  appendFileSync,
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEvent, createAuditEvent } from "@authmesh/core";
import { FanOutAuditSink } from "@authmesh/oath/audit";
import { type FileAuditOptions, FileAuditSink, verifyAuditLog } from "@authmesh/oath/node";
import { median, print, whole } from "./compare.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-bench-audit-"));
const rounds = 11;
const batch = 500;
const eventsARound = 20_000;

const newEvents = (count: number): AuditEvent[] =>
  Array.from({ length: count }, () =>
    createAuditEvent({
      type: "dev.authmesh.request.allowed",
      time: Date.now() / 1000,
      source: "//api.example.com",
      subject: "am_cOixWcOdI8-pLh4P",
      proven: true,
      data: {
        caller: { kind: "device", id: "am_cOixWcOdI8-pLh4P", name: "prod-api" },
        request: {
          method: "POST",
          target: "/api/orders?b=2&a=1",
          host: "api.example.com",
          bodyHash: `sha256:${"2d711642b726b044".repeat(4)}`,
        },
      },
    }),
  );

let files = 0;
const newPath = () => join(folder, `${files++}.jsonl`);

/** Appends in batches, and returns the file's lines with the events a second. */
async function ours(fsync: FileAuditOptions["fsync"] & string): Promise<{ rate: number; path: string }> {
  const events = newEvents(eventsARound);
  const path = newPath();
  const sink = new FileAuditSink({ path, fsync });
  const start = performance.now();
  for (let i = 0; i < events.length; i += batch) await sink.write(events.slice(i, i + batch));
  const rate = (events.length / (performance.now() - start)) * 1000;
  await sink.close();
  return { rate, path };
}

/** The same lines, made beforehand, in batches of the same size. */
function bare(path: string, fsync: boolean): number {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  const file = openSync(newPath(), "a");
  const start = performance.now();
  for (let i = 0; i < lines.length; i += batch) {
    writeSync(file, `${lines.slice(i, i + batch).join("\n")}\n`);
    if (fsync) fdatasyncSync(file);
  }
  const rate = (lines.length / (performance.now() - start)) * 1000;
  closeSync(file);
  return rate;
}

/** One at a time, as loggers do that write as they go. */
function oneByOne(path: string): number {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  const to = newPath();
  const start = performance.now();
  for (const line of lines) appendFileSync(to, `${line}\n`);
  return (lines.length / (performance.now() - start)) * 1000;
}

try {
  for (const fsync of ["interval", "always"] as const) {
    const rates = { ours: [] as number[], bare: [] as number[], oneByOne: [] as number[] };
    for (let round = 0; round < rounds + 2; round++) {
      const { rate, path } = await ours(fsync);
      const others = { bare: bare(path, fsync === "always"), oneByOne: oneByOne(path) };
      if (round < 2) continue; // until the compiler is done with it
      rates.ours.push(rate);
      rates.bare.push(others.bare);
      rates.oneByOne.push(others.oneByOne);
    }
    const rate = median(rates.ours);
    print(`Events into a chained file, fsync: "${fsync}", ${batch} at a time`, {
      ours: `${whole(rate)}/s`,
      "bare writes of the same batches": `${whole(median(rates.bare))}/s`,
      "fs.appendFile, line by line": `${whole(median(rates.oneByOne))}/s`,
      "ratio to line by line": (rate / median(rates.oneByOne)).toFixed(2),
      ...(fsync === "interval" ? { aim: "at least 20,000/s", met: rate >= 20_000 ? "yes" : "NO" } : {}),
    });
  }

  const waits: number[] = [];
  const sink = new FileAuditSink({ path: newPath(), fsync: "always" });
  const audit = new FanOutAuditSink([sink], { require: 1 });
  const start = performance.now();
  const requests = async () => {
    for (const event of newEvents(500)) {
      const begun = performance.now();
      await audit.record(event);
      waits.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: 100 }, requests));
  const rate = (waits.length / (performance.now() - start)) * 1000;
  waits.sort((a, b) => a - b);
  await audit.close();
  print('100 requests at a time that wait for the disk: require: 1, fsync: "always"', {
    ours: `${whole(rate)}/s`,
    median: `${(waits[waits.length >> 1] as number).toFixed(2)} ms`,
    "99 of 100 within": `${(waits[Math.floor(waits.length * 0.99)] as number).toFixed(2)} ms`,
  });

  const path = newPath();
  const large = new FileAuditSink({ path, fsync: "never" });
  for (let i = 0; i < 10; i++) await large.write(newEvents(20_000));
  await large.close();
  const begun = performance.now();
  const { lines, findingCount } = await verifyAuditLog([path]);
  const seconds = (performance.now() - begun) / 1000;
  if (findingCount > 0) throw new Error("The log is not sound.");
  print("verifyAuditLog", {
    ours: `${whole(lines / seconds)} lines/s`,
    "memory, all of the process": `${whole(process.memoryUsage().rss / 2 ** 20)} MiB`,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
