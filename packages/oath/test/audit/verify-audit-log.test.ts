import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PrivateKey } from "@authmesh/core";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { type FindingKind, LogCheck, readChainLine, readCheckpoint } from "../../src/audit/index.js";
import { createP256Signer, importIssuerKey } from "../../src/index.js";
import { FileAuditSink, type VerifyAuditLogOptions, verifyAuditLog } from "../../src/node/index.js";
import { event } from "./fixture.js";
import { fill, linesOf, newFolder, newSigner, rewrite } from "./log-fixture.js";

const { signer, key } = newSigner();

/** Ten events and a checkpoint. */
let path = "";
/** The last one, as it was told to whoever keeps it elsewhere. */
let checkpoint = "";
beforeEach(async () => {
  path = join(newFolder(), "audit.jsonl");
  const onCheckpoint = (jws: string) => {
    checkpoint = jws;
  };
  const sink = new FileAuditSink({ path, checkpoints: { signer, everyEvents: 1000, onCheckpoint } });
  await fill(sink, 10);
  await sink.close();
});

const check = (options: VerifyAuditLogOptions = {}, files = [path]) => verifyAuditLog(files, options);
const kindsOf = async (options: VerifyAuditLogOptions = {}, files = [path]) =>
  (await check(options, files)).findings.map(({ kind }) => kind);

test("a log that nobody touched is sound, and its checkpoint vouches for it", async () => {
  expect(await check({ keys: [key], checkpoint })).toMatchObject({
    lines: 11,
    first: 1,
    head: { sequence: 11 },
    signedThrough: 10,
    lastCheckpoint: checkpoint,
    findings: [],
    findingCount: 0,
  });
});

const swap = (lines: string[], at: number) =>
  lines.toSpliced(at, 2, lines[at + 1] as string, lines[at] as string);

describe("without any key", () => {
  test.each<[string, (lines: string[]) => string[], FindingKind[], number]>([
    ["an edit", (lines) => lines.with(3, (lines[3] as string).replace("e4", "x4")), ["edited"], 5],
    [
      "an edited number",
      (lines) => lines.with(3, (lines[3] as string).replace('000004"', '000040"')),
      ["missing", "out_of_place"],
      4,
    ],
    ["a line that is no event any more", (lines) => lines.with(3, "{}"), ["unreadable"], 4],
    ["a deletion", (lines) => lines.toSpliced(3, 2), ["missing"], 4],
    ["a deletion at the beginning", (lines) => lines.slice(2), ["begins_late"], 1],
    ["an exchange of two lines", (lines) => swap(lines, 3), ["missing", "out_of_place"], 4],
    ["a line that is there twice", (lines) => lines.toSpliced(3, 0, lines[3] as string), ["repeated"], 5],
    ["a foreign line", (lines) => lines.toSpliced(3, 0, "hello"), ["unreadable"], 4],
  ])("%s is found where it is", async (_, change, kinds, line) => {
    rewrite(path, change);
    const { findings } = await check();
    expect(findings.slice(0, kinds.length).map(({ kind }) => kind)).toEqual(kinds);
    expect(findings[0]).toMatchObject({ file: path, line });
  });

  test("an edit of the last line, and lines cut off at the end, are not found: only a checkpoint tells", async () => {
    rewrite(path, (lines) => lines.slice(0, 8));
    expect(await kindsOf()).toEqual([]);
    expect(await kindsOf({ keys: [key], checkpoint })).toEqual(["truncated", "unsigned"]);
  });

  test("a log written anew from the beginning is not found: only a key, or a checkpoint, tells", async () => {
    const other = join(newFolder(), "audit.jsonl");
    const sink = new FileAuditSink({ path: other });
    await fill(sink, 12, 50);
    await sink.close();
    expect(await kindsOf({}, [other])).toEqual([]);
    expect(await kindsOf({ keys: [key] }, [other])).toEqual(["unsigned"]);
    expect(await kindsOf({ keys: [key], checkpoint }, [other])).toEqual(["rewritten", "unsigned"]);
  });

  test("a last line without an end is said to be one", async () => {
    appendFileSync(path, '{"data');
    expect(await kindsOf()).toEqual(["torn"]);
  });
});

test("two continuations of one line are a fork, in one file or in two", async () => {
  const [first, second] = [join(newFolder(), "audit.jsonl"), join(newFolder(), "audit.jsonl")];
  for (const copy of [first, second]) {
    copyFileSync(path, copy);
    const sink = new FileAuditSink({ path: copy });
    await fill(sink, 3, copy === first ? 100 : 200);
    await sink.close();
  }
  const branch = linesOf(second).slice(11);
  const apart = join(dirname(path), "branch");
  writeFileSync(apart, branch.map((line) => `${line}\n`).join(""));
  expect(await kindsOf({}, [first, apart])).toEqual(["forked"]);
  appendFileSync(first, branch.map((line) => `${line}\n`).join(""));
  const { findings } = await check({}, [first]);
  expect(findings).toMatchObject([
    { kind: "forked", line: 15, detail: "Number 11 is continued twice, by two numbers 12." },
  ]);
});

test("a chain that begins anew in the middle is told", async () => {
  const other = join(newFolder(), "audit.jsonl");
  const sink = new FileAuditSink({ path: other });
  await fill(sink, 2, 50);
  await sink.close();
  appendFileSync(path, readFileSync(other));
  expect(await kindsOf()).toEqual(["restarted"]);
});

test("a log that begins late is sound where older files are kept elsewhere", async () => {
  rewrite(path, (lines) => lines.slice(2));
  expect(await check({ partial: true, keys: [key], checkpoint })).toMatchObject({
    first: 3,
    findings: [],
    signedThrough: 10,
  });
});

describe("a checkpoint", () => {
  test("of ES256 counts as one of EdDSA does", async () => {
    const other = join(newFolder(), "audit.jsonl");
    const p256 = createP256Signer(PrivateKey.generate());
    const sink = new FileAuditSink({ path: other, checkpoints: { signer: p256 } });
    await fill(sink, 2);
    await sink.close();
    const { key: p256Key } = importIssuerKey(p256.publicJwk);
    expect(await check({ keys: p256Key ? [p256Key] : [] }, [other])).toMatchObject({
      signedThrough: 2,
      findings: [],
    });
  });

  test("of somebody else's key, or that was changed, does not count", async () => {
    const { key: stranger } = newSigner();
    expect(await kindsOf({ keys: [stranger] })).toEqual(["checkpoint", "unsigned"]);
    await expect(check({ keys: [stranger], checkpoint })).rejects.toMatchObject({ code: "invalid_option" });
    const [header, payload, signature] = checkpoint.split(".");
    for (const changed of [
      "",
      "a.b.c",
      `${header}.${payload}.`,
      `${header}.${header}.${signature}`,
      `${payload}.${payload}.${signature}`,
    ])
      expect(readCheckpoint(changed, [key]).problem).toBeDefined();
  });

  test("in the log that tells of other lines than those that are there shows that the log was written anew", async () => {
    const other = join(newFolder(), "audit.jsonl");
    const sink = new FileAuditSink({ path: other });
    await fill(sink, 10, 50);
    const type = "dev.authmesh.audit.checkpoint" as const;
    await sink.write([{ ...event("c"), type, data: { checkpoint } }]);
    await sink.close();
    expect(await kindsOf({ keys: [key] }, [other])).toEqual(["rewritten", "unsigned"]);
  });
});

test("a file of one line without an end, longer than any memory should hold, is read in bounded time", async () => {
  writeFileSync(path, "x".repeat(12 << 20));
  expect(await kindsOf()).toEqual(["torn"]);
});

test("a file that is not there is an error of the catalogue", async () => {
  await expect(check({}, [join(dirname(path), "none")])).rejects.toMatchObject({ code: "storage_failed" });
});

test("whatever a line holds: a finding, or a line", () => {
  const near = fc
    .constantFrom(...linesOf(path))
    .chain((line) =>
      fc
        .tuple(fc.nat(line.length), fc.nat(20), fc.string())
        .map(([at, cut, put]) => line.slice(0, at) + put + line.slice(at + cut)),
    );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.oneof(near, fc.json()).map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 6 }), (lines) => {
      const check = new LogCheck({ keys: [key], signatures: true });
      lines.forEach((line, i) => void check.line(line, { file: "f", line: i + 1 }));
      const { findingCount, findings } = check.end();
      expect(findings).toHaveLength(findingCount);
      for (const line of lines) readChainLine(line);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => readCheckpoint(text, [key]).problem !== undefined));
});
