import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { beforeAll, describe, expect, it } from "vitest";
import { withLock } from "../src/internal/folder-lock.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";

/** The pid of a process that is no more. */
const deadPid = spawnSync(process.execPath, ["-e", "0"]).pid;

const lockIn = (folder: string) => join(folder, "allow_list.json.lock");

/** A lock as a process leaves it that never releases it. */
function abandoned(holder: object | string, secondsAgo = 0): string {
  const path = lockIn(temporaryFolder());
  mkdirSync(path);
  const file = join(path, "0123456789abcdef0123456789abcdef");
  writeFileSync(file, typeof holder === "string" ? holder : JSON.stringify(holder));
  const then = Date.now() / 1000 - secondsAgo;
  utimesSync(file, then, then);
  return path;
}

const take = (path: string, options = {}) => withLock(path, async () => "taken", { waitMs: 30, ...options });

describe("the lock of a folder", () => {
  it("lets one in at a time, in the order of asking, and is gone afterwards", async () => {
    const path = lockIn(temporaryFolder());
    let inside = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        withLock(path, async () => {
          expect(++inside).toBe(1);
          order.push(i);
          await new Promise(setImmediate);
          inside--;
        }),
      ),
    );
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(existsSync(path)).toBe(false);
  });

  it("returns what the work returns, and is released when the work fails", async () => {
    const path = lockIn(temporaryFolder());
    await expect(withLock(path, () => Promise.reject(new RangeError("no")))).rejects.toThrow("no");
    expect(await take(path)).toBe("taken");
  });

  it("names its holder", async () => {
    const path = lockIn(temporaryFolder());
    await withLock(path, async () => {
      const [token, ...others] = readdirSync(path);
      expect(token).toMatch(/^[0-9a-f]{32}$/);
      expect(others).toEqual([]);
      const holder = JSON.parse(readFileSync(join(path, token ?? ""), "utf8"));
      expect(holder).toEqual({ pid: process.pid, host: hostname() });
    });
  });

  it("is not waited for without end, and the error says who holds it", async () => {
    const path = abandoned({ pid: process.ppid, host: hostname() });
    expect(await codeOf(() => take(path))).toBe("allow_list_locked");
    await expect(take(path)).rejects.toThrow(`${process.ppid} on ${hostname()}`);
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ["its process is gone", { pid: deadPid, host: hostname() }, 0],
    ["it is older than 30 seconds", { pid: process.ppid, host: hostname() }, 31],
    ["it is older than 30 seconds and of another host", { pid: 1, host: "elsewhere" }, 31],
    ["it was stamped by a clock that went wrong", { pid: process.ppid, host: hostname() }, -31],
    ["it is unreadable and old", "", 31],
  ])("is taken over at once when %s", async (_, holder, secondsAgo) => {
    expect(await take(abandoned(holder, secondsAgo), { waitMs: 0 })).toBe("taken");
  });

  it.each([
    ["its process may run on another host", { pid: deadPid, host: "elsewhere" }, 29],
    ["its process runs", { pid: process.ppid, host: hostname() }, 29],
    ["nobody can tell whose it is", "not json", 0],
  ])("is not taken over when %s", async (_, holder, secondsAgo) => {
    expect(await codeOf(() => take(abandoned(holder, secondsAgo)))).toBe("allow_list_locked");
  });

  it("tells a holder that lost it", async () => {
    const path = lockIn(temporaryFolder());
    const late = withLock(path, async (lock) => {
      lock.assertHeld();
      for (const token of readdirSync(path)) rmSync(join(path, token)); // as another takes over
      lock.assertHeld();
    });
    expect(await codeOf(() => late)).toBe("allow_list_locked");
  });

  it("does not take away the lock of whoever took over", async () => {
    const path = lockIn(temporaryFolder());
    await withLock(path, async () => {
      for (const token of readdirSync(path)) rmSync(join(path, token));
      writeFileSync(join(path, "another"), JSON.stringify({ pid: process.ppid, host: hostname() }));
    });
    expect(readdirSync(path)).toEqual(["another"]);
  });

  it("sweeps away what a killed process left, and nothing else", async () => {
    const folder = temporaryFolder();
    const left = `.allow_list.json.${"0".repeat(32)}.tmp`;
    mkdirSync(join(folder, `.allow_list.json.lock.${"1".repeat(32)}.tmp`));
    for (const name of [left, "notes.tmp", ".profile", `x.${"0".repeat(32)}.tmp`])
      writeFileSync(join(folder, name), "");
    await take(lockIn(folder));
    expect(readdirSync(folder).sort()).toEqual([".profile", "notes.tmp", `x.${"0".repeat(32)}.tmp`]);
  });

  it("says storage_failed where no lock can be", async () => {
    const folder = temporaryFolder();
    expect(await codeOf(() => take(join(folder, "none", "lock")))).toBe("storage_failed");
    writeFileSync(join(folder, "lock"), "a file");
    expect(await codeOf(() => take(join(folder, "lock")))).toBe("storage_failed");
  });

  describe("with something else in its place", () => {
    const token = "0123456789abcdef0123456789abcdef";
    const longAgo = new Date(0);
    const refusal = async (path: string) => {
      const error = await take(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AmeshError);
      expect((error as AmeshError).code).toBe("storage_failed");
      expect((error as AmeshError).message).toContain(path);
      expect((error as AmeshError).fix).toContain(`move it out of the way`);
      return error as AmeshError;
    };

    it("does not follow a link, and removes nothing where it leads, whatever the names there", async () => {
      const victim = temporaryFolder();
      const path = lockIn(temporaryFolder());
      symlinkSync(victim, path);
      for (const name of [token, "letter.txt"]) {
        writeFileSync(join(victim, name), "");
        utimesSync(join(victim, name), longAgo, longAgo);
        await refusal(path);
        expect(readdirSync(victim)).toContain(name);
      }
      expect(lstatSync(path).isSymbolicLink()).toBe(true);
    });

    it.each([
      ["a file", (path: string) => writeFileSync(path, "")],
      ["a pipe", (path: string) => execFileSync("mkfifo", [path])],
      ["a link to nothing", (path: string) => symlinkSync(`${path}.none`, path)],
      ["a link to itself", (path: string) => symlinkSync(path, path)],
    ])("refuses %s at once, and leaves it", async (_, make) => {
      const path = lockIn(temporaryFolder());
      make(path);
      await refusal(path);
      expect(lstatSync(path, { throwIfNoEntry: false })).toBeDefined();
    });

    it.each([
      ["a file of a name that is no token", "letter.txt", writeFileSync],
      ["a folder of another name", "letters", (path: string) => mkdirSync(path)],
      ["a folder of a token's name", token, (path: string) => mkdirSync(path)],
      ["a link of a token's name", token, (path: string) => symlinkSync("/etc/hostname", path)],
    ])("never takes for stale %s", async (_, name, make) => {
      const path = lockIn(temporaryFolder());
      mkdirSync(path);
      make(join(path, name), "");
      if (!lstatSync(join(path, name)).isSymbolicLink()) utimesSync(join(path, name), longAgo, longAgo);
      expect((await refusal(path)).message).toContain(`"${name}"`);
      expect(readdirSync(path)).toEqual([name]);
    });

    it("waits for a name to go that a file system puts there for an instant", async () => {
      const path = lockIn(temporaryFolder());
      mkdirSync(path);
      writeFileSync(join(path, ".nfs0001"), "");
      const waiting = take(path, { waitMs: 10_000 });
      setImmediate(() => rmSync(join(path, ".nfs0001")));
      expect(await waiting).toBe("taken");
    });
  });

  describe("between processes", () => {
    beforeAll(build);

    it("lets one in at a time though all of them break the same dead locks", async () => {
      const folder = temporaryFolder();
      const racers = Array.from({ length: 4 }, () => start("race-for-lock.js", [folder, 60, deadPid]));
      for (const racer of racers) expect(await racer.ended).toBe(0);
      expect(racers.map(({ lines }) => lines)).toEqual([["done"], ["done"], ["done"], ["done"]]);
    });
  });
});
