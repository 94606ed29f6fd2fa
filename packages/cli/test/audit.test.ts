import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuditEvent, randomBytes, requestAuditEvent } from "@authmesh/core";
import { createEd25519Signer } from "@authmesh/oath";
import { FileAuditSink } from "@authmesh/oath/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noon, send, verifierWith } from "../../core/test/verification-fixture.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf } from "./fixtures/documents.js";

const machine = new TestMachine();
afterAll(() => machine.remove());
const at = (name: string) => join(machine.folder, name);
const source = "//api.example.com";
const refused = (id: string, target = "/orders") =>
  createAuditEvent({
    type: "dev.authmesh.request.refused",
    id,
    time: 1_800_000_000,
    source,
    proven: false,
    data: {
      request: { method: "GET", target },
      unverified: { caller: { kind: "device", id: "am_0000000000000000", name: "x" } },
      code: "clock_skew",
    },
  });

/** A log of three events, the second with evidence, and a checkpoint. */
async function writeLog(name: string): Promise<string> {
  const path = at(name);
  const signer = createEd25519Signer(randomBytes(32));
  const kept: string[] = [];
  const sink = new FileAuditSink({ path, checkpoints: { signer, onCheckpoint: (jws) => kept.push(jws) } });
  const decision = await verifierWith({ evidence: true })(await send());
  const allowed = requestAuditEvent(
    decision,
    { method: "POST", host: "api.example.com" },
    { time: noon, source },
  );
  await sink.write([refused("first"), allowed, refused("third", "/a\u001b[31mb")]);
  await sink.close();
  writeFileSync(`${path}.key`, JSON.stringify(signer.publicJwk));
  writeFileSync(`${path}.checkpoint`, `${kept[0]}\n`);
  return path;
}

let path = "";
beforeAll(async () => {
  path = await writeLog("audit.jsonl");
});
const kept = (log = path) => ["--key", `${log}.key`, "--checkpoint", `${log}.checkpoint`];

describe("amesh audit verify", () => {
  it("says that nothing was changed, and what it cannot tell", async () => {
    const { status, stdout } = await machine.run(["audit", "verify", path]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^WARN +Without --key.*\nWARN +Without --checkpoint.*\nOK +4 lines, numbers 1 to 4: no change was found\.\n$/,
    );
    mkdirSync(`${path}.lock`, { recursive: true }); // a writer's, which `audit.jsonl*` matches
    expect((await machine.run(["audit", "verify", `${path}.lock`])).status).toBe(2);
    const whole = await machine.run(["audit", "verify", path, `${path}.lock`, ...kept(), "--signatures"]);
    expect(whole.stdout).toBe(
      "OK    Evidence in 1 event.\nOK    Signed through number 3.\nOK    4 lines, numbers 1 to 4: no change was found.\n",
    );
  });

  it("finds an edit, and false evidence, and ends with 1", async () => {
    const log = await writeLog("edited.jsonl");
    writeFileSync(log, readFileSync(log, "utf8").replace("/api/orders?b=2&a=1", "/api/refund?b=2&a=1"));
    const { status, stdout } = await machine.run(["audit", "verify", log, "--signatures"]);
    expect(status).toBe(1);
    expect(stdout).toContain(`FAIL  ${log}:2: evidence: What was signed is of another method or target`);
    expect(stdout).toMatch(/FAIL {2}\d+ lines.*: \d+ findings\.$/m);
    expect(stdout).toContain(`FAIL  ${log}:3: edited: Number 2 is not what number 3 was written behind`);
  });

  it("finds that lines were cut off, with a checkpoint kept elsewhere", async () => {
    const log = await writeLog("cut.jsonl");
    writeFileSync(log, `${readFileSync(log, "utf8").split("\n")[0]}\n`);
    expect((await machine.run(["audit", "verify", log])).status).toBe(0);
    const result = await machine.run(["audit", "verify", log, ...kept(log), "--json"]);
    expect(result.status).toBe(1);
    expect(documentOf(result)).toMatchObject({
      sound: false,
      findings: [{ kind: "truncated" }, { kind: "unsigned" }],
    });
  });

  it("answers in JSON with the checkpoint to keep elsewhere", async () => {
    const document = documentOf(await machine.run(["audit", "verify", path, "--json"]));
    expect(document).toMatchObject({ sound: true, lines: 4, findings: [] });
    expect(`${document.lastCheckpoint}\n`).toBe(readFileSync(`${path}.checkpoint`, "utf8"));
  });

  it.each<[string, () => string[], number, string]>([
    ["no file", () => [], 2, "invalid_option"],
    ["a file that is not there", () => [at("none")], 1, "storage_failed"],
    ["a checkpoint without a key", () => [path, "--checkpoint", `${path}.checkpoint`], 2, "invalid_option"],
    ["a key that is none", () => [path, "--key", path], 2, "invalid_public_key"],
    [
      "a checkpoint that is none",
      () => [path, "--key", `${path}.key`, "--checkpoint", path],
      2,
      "invalid_option",
    ],
  ])("refuses %s", async (_, args, status, code) => {
    const result = await machine.run(["audit", "verify", ...args(), "--json"]);
    expect([result.status, documentOf(result).error.code]).toEqual([status, code]);
  });
});

describe("amesh audit tail", () => {
  it("shows the last events, one line each, with nothing in them that moves the cursor", async () => {
    const { stdout } = await machine.run(["audit", "tail", path, "-n", "3"]);
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(
        /^2025-03-28T11:20:00.000Z {2}request.allowed {2}am_[\w-]{16} {2}POST \/api\/orders\?b=2&a=1$/,
      ),
      "2027-01-15T08:00:00.000Z  request.refused  am_0000000000000000?  GET /a\\u{1b}[31mb  clock_skew",
      expect.stringMatching(/ {2}audit.checkpoint {2}-$/),
      "",
    ]);
  });

  it("shows what was revoked, which key signs, and whose entry was changed", async () => {
    const log = at("authority.jsonl");
    const sink = new FileAuditSink({ path: log });
    const event = { time: 1_800_000_000, source, subject: "am_0000000000000000", proven: true } as const;
    await sink.write([
      createAuditEvent({
        ...event,
        type: "dev.authmesh.token.revoked",
        data: { by: "sub", value: "svc://billing/worker", reason: "lost" },
      }),
      createAuditEvent({
        ...event,
        type: "dev.authmesh.key.rotated",
        subject: undefined,
        data: { kid: "Zq3Ww1fc", alg: "EdDSA" },
      }),
      createAuditEvent({
        ...event,
        type: "dev.authmesh.device.changed",
        data: { device: { name: "worker" } },
      }),
    ]);
    await sink.close();
    const { stdout } = await machine.run(["audit", "tail", log]);
    const about = stdout.split("\n").map((line) => line.split(/ {2,}/).slice(1));
    expect(about.slice(0, 3)).toEqual([
      ["token.revoked", "am_0000000000000000", "sub", "svc://billing/worker"],
      ["key.rotated", "-", "Zq3Ww1fc"],
      ["device.changed", "am_0000000000000000", "worker"],
    ]);
  });

  it("shows only what is asked for, and under --json the events as they stand in the log", async () => {
    const shown = async (...filter: string[]) =>
      (await machine.run(["audit", "tail", path, "--json", ...filter])).stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    const ids = (events: { id: string }[]) => events.map(({ id }) => id);
    expect(ids(await shown("--type", "request.refused"))).toEqual(["first", "third"]);
    expect(ids(await shown("--code", "clock_skew", "-n", "1"))).toEqual(["third"]);
    const [allowed] = await shown("--type", "dev.authmesh.request.allowed");
    expect(await shown("--subject", allowed.subject)).toEqual([allowed]);
    expect(readFileSync(path, "utf8")).toContain(`${JSON.stringify(allowed)}\n`);
  });

  it("goes on with what is written, also in the file that takes the place of a full one", async () => {
    const log = at("followed.jsonl");
    const sink = new FileAuditSink({ path: log });
    await sink.write([refused("a", "/one")]);
    const tail = machine.start(["audit", "tail", log, "-f"]);
    const shows = (pattern: RegExp) => tail.line((line: string) => (pattern.test(line) ? true : undefined));
    await shows(/GET \/one/);
    await sink.write([refused("b", "/two")]);
    await shows(/GET \/two/);
    renameSync(log, `${log}.old`);
    await sink.write([refused("c", "/three")]);
    appendFileSync(log, "not JSON\n");
    await shows(/GET \/three/);
    expect(tail.lines.map((line: string) => line.split(/ +/)[1])).toEqual([
      ...["request.refused", "request.refused", "audit.notice", "request.refused"],
    ]);
    await tail.stop();
    await sink.close();
  });
});
