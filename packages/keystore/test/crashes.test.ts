import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createIdentity, openIdentity } from "../src/index.js";
import { add, cheap, codeOf, env, newIdentity, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";
import { killAtEveryCall, leftovers } from "./processes/kill-at-every-call.js";

beforeAll(build);

describe("two processes that write at once", () => {
  it("lose nothing in 200 writes", async () => {
    const open = await newIdentity();
    const writers = [start("write.js", [open.dir, 100]), start("write.js", [open.dir, 100])];
    for (const writer of writers) expect(await writer.ended).toBe(0);
    const { state } = await open.openAllowList();
    const written = writers.flatMap(({ lines }) => lines.slice(1));
    expect(written).toHaveLength(200);
    expect(state.devices.map(({ deviceId }) => deviceId).sort()).toEqual(written.sort());
    expect(state.generation).toBe(201);
    expect(leftovers(open.dir)).toEqual([]);
  }, 60_000);

  it("are noticed by a third that only reads", async () => {
    const open = await newIdentity();
    let at = 0;
    const list = await open.openAllowList({ monotonic: () => at });
    const writer = start("write.js", [open.dir, 20]);
    const seen: number[] = [];
    while ((await writer.nextLine()) !== undefined) {
      at += 500;
      expect(list.check()).toBeUndefined();
      seen.push(list.state.devices.length);
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(20);
  });
});

describe("kill -9", () => {
  it("just before any call to the file system leaves the old list or the new one, and no lock", async () => {
    const { dir: template } = await newIdentity();
    const copy = () => {
      const dir = temporaryFolder();
      cpSync(template, dir, { recursive: true });
      return dir;
    };
    const outcomes = new Set<number>();
    const kills = await killAtEveryCall("update", copy, async (dir, reported) => {
      const list = await (await openIdentity({ dir, env })).openAllowList();
      const found = list.state.devices.map(({ deviceId }) => deviceId);
      if (reported !== undefined) expect(found).toEqual([reported]);
      outcomes.add(found.length);
      await list.update(add());
      expect(list.state.devices).toHaveLength(found.length + 1);
    });
    expect(kills).toBeGreaterThan(25);
    expect([...outcomes].sort()).toEqual([0, 1]);
  }, 120_000);

  it("just before any call to the file system leaves an init that the next one completes", async () => {
    const outcomes = new Set<string>();
    const makeFolder = () => join(temporaryFolder(), "amesh");
    const kills = await killAtEveryCall("init", makeFolder, async (dir, reported) => {
      const keyThere = existsSync(join(dir, "device.key")) && readFileSync(join(dir, "device.key"), "utf8");
      const again = await codeOf(() =>
        createIdentity({ friendlyName: "again", dir, env: {}, argon2: cheap }),
      );
      const open = await openIdentity({ dir, env: {} });
      if (keyThere) expect(keyThere).toContain(open.identity.publicKey);
      if (reported !== undefined) expect(open.identity.deviceId).toBe(reported);
      const list = await open.openAllowList();
      expect(list.state.devices).toEqual([]);
      await list.update(add());
      outcomes.add(again);
    });
    expect(kills).toBeGreaterThan(40);
    expect([...outcomes].sort()).toEqual(["identity_exists", "no error"]);
  }, 120_000);

  it("at random instants loses nothing that was reported as written", async () => {
    const open = await newIdentity();
    const reported = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const writer = start("write.js", [open.dir, 10_000]);
      await writer.nextLine();
      for (let line = Math.floor(Math.random() * 6); line > 0; line--) await writer.nextLine();
      setTimeout(() => writer.process.kill("SIGKILL"), Math.random() * 4);
      expect(await writer.ended).toBe("SIGKILL");
      for (const id of writer.lines.slice(1)) reported.add(id);
      const list = await open.openAllowList();
      expect(list.check()).toBeUndefined();
      const found = new Set(list.state.devices.map(({ deviceId }) => deviceId));
      for (const id of reported) expect(found.has(id)).toBe(true);
      expect(found.size - reported.size).toBeLessThanOrEqual(i + 1);
    }
    await (await open.openAllowList()).update(add());
    expect(leftovers(open.dir)).toEqual([]);
  }, 60_000);
});
