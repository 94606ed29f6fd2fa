import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readBounded } from "@authmesh/core/server-program";
import { describe, expect, it, onTestFinished } from "vitest";
import { addDevice, inspectStorage, type OpenIdentity } from "../src/index.js";
import { createFile, replaceFile } from "../src/internal/durable-file.js";
import { add, codeOf, newDevice, newIdentity, temporaryFolder } from "./fixture.js";

const root = process.getuid?.() === 0;
const mount = (...args: string[]) => spawnSync("mount", args).status === 0;

/** A file system of 64 KiB of its own, or nothing where one may not be mounted. */
function smallDisk(): string | undefined {
  const path = temporaryFolder();
  if (!root || !mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", path)) return undefined;
  onTestFinished(() => void spawnSync("umount", [path]));
  return path;
}

/** Fills a disk but for `spare` bytes. */
function fill(disk: string, spare: number): void {
  const path = join(disk, "filler");
  const page = Buffer.alloc(4096);
  try {
    for (;;) writeFileSync(path, page, { flag: "a" });
  } catch {
    const { size } = statSync(path);
    rmSync(path);
    writeFileSync(path, Buffer.alloc(size - spare));
  }
}

const listOf = (open: OpenIdentity) => readFileSync(join(open.dir, "allow_list.json"), "utf8");

describe("a disk that is full", () => {
  it.for([
    ["to the last byte", 0],
    ["but for less than the list needs", 8192],
  ] as const)("%s fails a write in plain words and leaves the old list", async ([, spare], { skip }) => {
    const disk = smallDisk() ?? skip("no file system may be mounted");
    const open = await newIdentity({ dir: join(disk, "amesh") });
    const list = await open.openAllowList();
    await list.update((draft) => {
      for (let i = 0; i < 30; i++) addDevice(draft, newDevice());
    });
    const before = listOf(open);
    fill(disk, spare);
    await expect(list.update(add())).rejects.toThrow("the disk is full");
    expect(await codeOf(() => list.update(add()))).toBe("storage_failed");
    expect(listOf(open)).toBe(before);
    expect(readdirSync(open.dir).filter((name) => name.includes("tmp"))).toEqual([]);

    rmSync(join(disk, "filler"));
    await list.update(add());
    expect((await open.openAllowList()).state.devices).toHaveLength(31);
  });
});

describe("a folder that may not be written", () => {
  it("fails a write in plain words and leaves the old list", async ({ skip }) => {
    const disk = smallDisk();
    if (root && disk === undefined) skip("no file system may be mounted");
    const open = await newIdentity(disk === undefined ? {} : { dir: join(disk, "amesh") });
    const before = listOf(open);
    if (disk !== undefined) mount("-o", "remount,ro", disk);
    else chmodSync(open.dir, 0o500);
    const list = await open.openAllowList();
    await expect(list.update(add())).rejects.toThrow(/read-only|permission denied/);
    expect(await codeOf(() => list.update(add()))).toBe("storage_failed");
    if (disk === undefined) chmodSync(open.dir, 0o700);
    expect(listOf(open)).toBe(before);
    expect(list.check()).toBeUndefined();
  });
});

describe("files", () => {
  it("are created once", async () => {
    const path = join(temporaryFolder(), "file");
    expect(await createFile(path, "one")).toBe(true);
    expect(await createFile(path, "two")).toBe(false);
    expect(readFileSync(path, "utf8")).toBe("one");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("stay as they are when the last look before the rename says no", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "file");
    await createFile(path, "one");
    const look = () => {
      throw new RangeError("no");
    };
    await expect(replaceFile(path, "two", look)).rejects.toThrow(RangeError);
    expect(readFileSync(path, "utf8")).toBe("one");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("are read up to one byte beyond the limit", () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(path, "12345");
    expect(readBounded(path, 5)).toHaveLength(5);
    expect(readBounded(path, 3)).toHaveLength(4);
    expect(readBounded(`${path}.none`, 3)).toBeUndefined();
  });
});

describe("inspectStorage", () => {
  it("has nothing to say of a new identity, nor of a folder that is not there", async () => {
    const { dir } = await newIdentity({ env: {} });
    expect(inspectStorage(dir)).toEqual([]);
    expect(inspectStorage(join(dir, "none"))).toEqual([]);
  });

  it("names what others can reach, and the command that mends it", async () => {
    const { dir } = await newIdentity();
    chmodSync(dir, 0o755);
    chmodSync(join(dir, "device.key"), 0o640);
    const findings = inspectStorage(dir);
    expect(findings).toMatchObject([
      { path: dir, problem: "others can reach it (mode 0755)" },
      { path: join(dir, "device.key"), problem: "others can reach it (mode 0640)" },
    ]);
    for (const { fix } of findings) expect(spawnSync("sh", ["-c", fix]).status).toBe(0);
    expect(inspectStorage(dir)).toEqual([]);
  });

  it("looks at what a link points to, and survives one that points nowhere", async () => {
    const folder = temporaryFolder();
    const dir = join(folder, "it's mine");
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(folder, "secret"), "", { mode: 0o644 });
    symlinkSync(join(folder, "secret"), join(dir, "device.key"));
    symlinkSync(join(folder, "none"), join(dir, "nowhere"));
    const [finding, ...others] = inspectStorage(dir);
    expect(others).toEqual([]);
    expect(spawnSync("sh", ["-c", finding?.fix ?? ""]).status).toBe(0);
    expect(inspectStorage(dir)).toEqual([]);
  });

  it("names a link that cannot be followed, and still looks at the rest", () => {
    const dir = temporaryFolder();
    symlinkSync(join(dir, "a loop"), join(dir, "a loop"));
    writeFileSync(join(dir, "device.key"), "");
    chmodSync(join(dir, "device.key"), 0o644);
    const findings = inspectStorage(dir);
    expect(findings).toMatchObject([
      { path: join(dir, "a loop"), problem: expect.stringContaining("a circle of links") },
      { path: join(dir, "device.key"), problem: "others can reach it (mode 0644)" },
    ]);
    for (const { fix } of findings) expect(spawnSync("sh", ["-c", fix]).status).toBe(0);
    expect(inspectStorage(dir)).toEqual([]);
  });

  it.runIf(root)("names what belongs to another user", async () => {
    const { dir } = await newIdentity();
    spawnSync("chown", ["65534", join(dir, "allow_list.json")]);
    expect(inspectStorage(dir)).toMatchObject([
      { path: join(dir, "allow_list.json"), problem: "it belongs to another user (65534)" },
    ]);
  });
});
