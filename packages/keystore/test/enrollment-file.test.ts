import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type EnrollmentRecord, readEnrollment, withEnrollment } from "../src/index.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";

beforeAll(build);

const file = (dir: string) => join(dir, "enrollment", "enrollment.json");

const enrolled: EnrollmentRecord = {
  version: 1,
  counter: 7,
  enrollment: {
    authority: "https://issuer.example.com",
    account: "@acme",
    id: "en_0123456789abcdef",
    appName: "orders",
    deviceName: "box-1",
    status: "approved",
  },
};

const keep = (dir: string, record = enrolled) => withEnrollment(dir, ({ save }) => save(record));

/** A folder whose file says this. */
function damaged(content: string | Uint8Array): string {
  const dir = temporaryFolder();
  mkdirSync(join(dir, "enrollment"));
  writeFileSync(file(dir), content);
  return dir;
}

describe("what a machine keeps of its enrollment", () => {
  it("is nothing at first, and then what was saved last, for its owner's eyes alone", async () => {
    const dir = temporaryFolder();
    expect(readEnrollment(dir)).toEqual({ version: 1, counter: 0 });
    expect(readdirSync(dir)).toEqual([]);
    await keep(dir);
    expect(readEnrollment(dir)).toEqual(enrolled);
    expect(statSync(file(dir)).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "enrollment")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(dir, "enrollment"))).toEqual(["enrollment.json"]);
  });

  it("gives a counter to one at a time, over all processes, and forgets none when one is killed", async () => {
    const dir = temporaryFolder();
    const counting = [start("count.js", [dir, 30]), start("count.js", [dir, 30])];
    await Promise.all(counting.map(({ ended }) => ended));
    const given = counting.flatMap(({ lines }) => lines.map(Number));
    expect([...given].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));

    const killed = start("count.js", [dir, 10_000]);
    for (let i = 0; i < 5; i++) await killed.nextLine();
    killed.process.kill("SIGKILL");
    await killed.ended;
    const last = Number(killed.lines.at(-1));
    await withEnrollment(dir, async ({ record }) => expect(record.counter).toBeGreaterThanOrEqual(last));
  });

  it("does not stay locked when the work fails", async () => {
    const dir = temporaryFolder();
    await expect(withEnrollment(dir, () => Promise.reject(new RangeError("no")))).rejects.toThrow("no");
    await keep(dir);
  });

  it("saves nothing once another process has taken over", async () => {
    const dir = temporaryFolder();
    const lock = join(dir, "enrollment", "lock");
    const late = withEnrollment(dir, ({ save }) => {
      rmSync(lock, { recursive: true });
      return save(enrolled);
    });
    expect(await codeOf(() => late)).toBe("allow_list_locked");
    expect(readEnrollment(dir).counter).toBe(0);
  });

  it.each<[kind: string, content: string | Uint8Array]>([
    ["nothing", ""],
    ["half of it", JSON.stringify(enrolled).slice(0, 60)],
    ["a counter below zero", JSON.stringify({ ...enrolled, counter: -1 })],
    ["no counter", JSON.stringify({ version: 1 })],
    ["a member nobody knows", JSON.stringify({ ...enrolled, extra: 1 })],
    [
      "an authority that is no URL",
      JSON.stringify({ ...enrolled, enrollment: { ...enrolled.enrollment, authority: "x" } }),
    ],
    ["more than it can be", new Uint8Array(200_000).fill(0x20)],
  ])("is refused, and stays as it is, where the file holds %s", async (_, content) => {
    const dir = damaged(content);
    const before = readFileSync(file(dir));
    expect(await codeOf(() => readEnrollment(dir))).toBe("storage_failed");
    expect(await codeOf(() => keep(dir))).toBe("storage_failed");
    expect(readFileSync(file(dir))).toEqual(before);
  });

  it("keeps the counter and the enrollment beside a request that cannot be read, and forgets that", async () => {
    const dir = damaged(JSON.stringify({ ...enrolled, asking: { lifetime: 30 } }));
    expect(readEnrollment(dir)).toEqual(enrolled);
    await withEnrollment(dir, ({ record, save }) => save({ ...record, counter: 8 }));
    expect(JSON.parse(readFileSync(file(dir), "utf8"))).toEqual({ ...enrolled, counter: 8 });
  });

  it("is never replaced by what could not be read again", async () => {
    const dir = temporaryFolder();
    await keep(dir);
    expect(await codeOf(() => keep(dir, { ...enrolled, counter: -1 }))).toBe("storage_failed");
    expect(readEnrollment(dir)).toEqual(enrolled);
  });

  it("is to be mended and not thrown away: its counter is worth keeping", () => {
    const dir = damaged("{");
    const hint = /keep its counter or write a higher one/;
    expect(() => readEnrollment(dir)).toThrow(expect.objectContaining({ fix: expect.stringMatching(hint) }));
  });

  it("is a record or an error of the catalogue, whatever the file holds", () => {
    const dir = damaged("");
    const content = fc.oneof(fc.uint8Array(), fc.json({ maxDepth: 3 }));
    fc.assert(
      fc.property(content, (bytes) => {
        writeFileSync(file(dir), bytes);
        try {
          expect(readEnrollment(dir).version).toBe(1);
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
        }
      }),
      { numRuns: 60 },
    );
  });
});
