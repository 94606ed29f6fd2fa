import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PrivateKey } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { AllowList, addDevice, type OpenIdentity, openIdentity, revokeDevice } from "../src/index.js";
import { add, codeOf, newDevice, newIdentity } from "./fixture.js";

const pathOf = (open: OpenIdentity) => join(open.dir, "allow_list.json");

/** A list whose clock stands still until `later` moves it on by more than the 500 ms between two looks. */
async function watched(open: OpenIdentity) {
  const clock = { at: 0 };
  const list = await open.openAllowList({ monotonic: () => clock.at });
  const later = () => {
    clock.at += 500;
    return list.check();
  };
  /** Lets what the last look asked of the key store come back. */
  const settled = async () => {
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    return list.check();
  };
  return { list, clock, later, settled };
}

describe("AllowList", () => {
  it("finds an active device by key and role, and nobody else", async () => {
    const list = await (await newIdentity()).openAllowList();
    const [known, pending, target] = await list.update((draft) => [
      addDevice(draft, newDevice({ role: "controller", scopes: { orders: "r" }, expiresAt: 9 })),
      addDevice(draft, newDevice({ status: "pending" })),
      addDevice(draft, newDevice()),
    ]);
    expect(list.find(known.publicKey, "controller")).toMatchObject({
      deviceId: known.deviceId,
      friendlyName: "a device",
      role: "controller",
      status: "active",
      bound: true,
      scopes: { orders: "r" },
      expiresAt: 9,
    });
    expect(list.find(known.publicKey, "controller")?.publicKey.base64).toBe(known.publicKey);
    expect(list.find(known.publicKey, "target")).toBeUndefined();
    expect(list.find(pending.publicKey, "target")).toBeUndefined();
    expect(list.find(target.publicKey, "target")?.scopes).toEqual({});
    expect(list.find("nobody", "controller")).toBeUndefined();
  });

  it("imports a key once, however often it is found", async () => {
    const list = await (await newIdentity()).openAllowList();
    const { publicKey } = await list.update(add());
    const key = list.find(publicKey, "target")?.publicKey;
    expect(list.find(publicKey, "target")?.publicKey).toBe(key);
  });

  it("holds what was written for whoever opens it next", async () => {
    const open = await newIdentity();
    const clock = () => 1_774_742_400_999;
    await (await open.openAllowList({ now: clock })).update(add({ friendlyName: "staging-api" }));
    const { state } = await open.openAllowList();
    expect(state).toMatchObject({ generation: 2, updatedAt: 1_774_742_400 });
    expect(state.devices).toMatchObject([{ friendlyName: "staging-api" }]);
  });

  it("notices what another process wrote, 500 ms after the last look and not before", async () => {
    const open = await newIdentity();
    const { list, clock, later } = await watched(open);
    const { publicKey, deviceId } = await list.update(add());
    await (await open.openAllowList()).update((draft) => revokeDevice(draft, { deviceId, now: 1 }));
    clock.at = 499;
    expect(list.check()).toBeUndefined();
    expect(list.find(publicKey, "target")).toBeDefined();
    clock.at = 0;
    later();
    expect(list.find(publicKey, "target")).toBeUndefined();
    expect(list.isRevoked(deviceId)).toBe(true);
  });

  it("looks for who is unknown 50 ms after the last look and not before", async () => {
    const open = await newIdentity();
    const { list, clock } = await watched(open);
    const { publicKey, deviceId } = await (await open.openAllowList()).update(add());
    clock.at = 49;
    expect(list.find(publicKey, "target")).toBeUndefined();
    clock.at = 50;
    expect(list.find(publicKey, "target")).toBeDefined();

    const other = await (await open.openAllowList()).update(add());
    clock.at = 99;
    expect(list.findById(other.deviceId, "target")).toBeUndefined();
    clock.at = 100;
    expect(list.findById(other.deviceId, "target")).toBeDefined();
    expect(list.findById(deviceId, "controller")).toBeUndefined();
  });

  it("calls back once for every change, until told to stop", async () => {
    const open = await newIdentity();
    const { list, later } = await watched(open);
    let changes = 0;
    const stop = list.onChange(() => changes++);
    later();
    expect(changes).toBe(0);
    await (await open.openAllowList()).update(add());
    later();
    later();
    expect(changes).toBe(1);
    await list.update(add());
    expect(changes).toBe(2);
    stop();
    await list.update(add());
    expect(changes).toBe(2);
  });

  it("does not read a file again that did not change", async () => {
    const open = await newIdentity();
    const path = pathOf(open);
    utimesSync(path, 1, 1); // long ago, so that no write can share its stamp
    const { list, later } = await watched(open);
    const devices = list.state.devices;
    for (let i = 0; i < 10; i++) later();
    expect(list.state.devices).toBe(devices);
  });

  it("writes nothing when the change throws", async () => {
    const open = await newIdentity();
    const list = await open.openAllowList();
    const before = readFileSync(pathOf(open), "utf8");
    const update = list.update((draft) => {
      addDevice(draft, newDevice());
      throw new RangeError("changed my mind");
    });
    await expect(update).rejects.toThrow("changed my mind");
    expect(readFileSync(pathOf(open), "utf8")).toBe(before);
    expect(list.state.devices).toEqual([]);
  });

  it("writes nothing that could not be read back", async () => {
    const open = await newIdentity();
    const list = await open.openAllowList();
    const update = list.update((draft) => void draft.devices.push({ deviceId: "am_x" } as never));
    expect(await codeOf(() => update)).toBe("allow_list_damaged");
    expect((await open.openAllowList()).check()).toBeUndefined();
  });

  it("writes nothing that is too long to be read back, and says that the list is full", async () => {
    const open = await newIdentity();
    const list = await open.openAllowList();
    const scopes = Object.fromEntries(
      Array.from({ length: 256 }, (_, i) => [`${i}`.padStart(32, "s"), "rw"] as const),
    );
    const entry = { ...newDevice(), scopes };
    const update = list.update((draft) => void draft.devices.push(...Array(3000).fill(entry)));
    expect(await codeOf(() => update)).toBe("allow_list_full");
    await list.update(add());
    expect((await open.openAllowList()).state.devices).toHaveLength(1);
  }, 30_000);

  it("loses nothing when many in one process write at once", async () => {
    const open = await newIdentity();
    const lists = await Promise.all(Array.from({ length: 4 }, () => open.openAllowList()));
    await Promise.all(Array.from({ length: 20 }, (_, i) => lists[i % 4]?.update(add())));
    const { state } = await open.openAllowList();
    expect(state.devices).toHaveLength(20);
    expect(state.generation).toBe(21);
  });

  it("leaves one file and no traces", async () => {
    const open = await newIdentity();
    await (await open.openAllowList()).update(add());
    expect(readdirSync(open.dir).sort()).toEqual([
      "allow_list.json",
      "device.key",
      "device.remembered",
      "identity.json",
    ]);
  });
});

describe("an allow list that cannot be trusted", () => {
  it("knows nobody, reports why, and is taken again when it is good again", async () => {
    const open = await newIdentity();
    const { list, later, settled } = await watched(open);
    const { publicKey, deviceId } = await list.update(add());
    const good = readFileSync(pathOf(open));
    let changes = 0;
    list.onChange(() => changes++);

    writeFileSync(pathOf(open), good.toString().replace("a device", "my device"));
    expect(later()).toMatchObject({
      code: "allow_list_integrity_failure",
      status: 500,
      public: "allow_list_integrity_failure",
    });
    expect(list.find(publicKey, "target")).toBeUndefined();
    expect(list.isRevoked(deviceId)).toBe(true);
    expect(list.audience).toEqual([]);
    expect(await codeOf(() => list.state)).toBe("allow_list_integrity_failure");
    expect(await codeOf(() => list.update(add()))).toBe("allow_list_integrity_failure");

    writeFileSync(pathOf(open), good);
    expect(later()).toBeUndefined();
    expect(await settled()).toBeUndefined();
    expect(list.find(publicKey, "target")).toBeDefined();
    expect(list.isRevoked(deviceId)).toBe(false);
    expect(changes).toBe(2);
  });

  it("is missing, not empty, when the file is gone", async () => {
    const open = await newIdentity();
    const { list, later } = await watched(open);
    renameSync(pathOf(open), `${pathOf(open)}.away`);
    expect(later()?.code).toBe("allow_list_missing");
    expect((await open.openAllowList()).check()?.code).toBe("allow_list_missing");
    expect(await codeOf(() => list.update(add()))).toBe("allow_list_missing");
    renameSync(`${pathOf(open)}.away`, pathOf(open));
    expect(later()).toBeUndefined();
  });

  it.each([
    ["a folder", (path: string) => mkdirSync(path)],
    ["a pipe", (path: string) => void execFileSync("mkfifo", [path])],
    ["a link to itself", (path: string) => symlinkSync(path, path)],
  ])("is refused, and waited for by nobody, when the file is %s", async (_, make) => {
    const open = await newIdentity();
    const { list, later } = await watched(open);
    rmSync(pathOf(open));
    make(pathOf(open));
    expect(later()).toMatchObject({ code: "storage_failed", status: 500 });
    expect(await codeOf(() => list.update(add()))).toBe("storage_failed");
  });

  it("is refused when it is another identity's, though made with the same passphrase", async () => {
    const [one, other] = [await newIdentity(), await newIdentity()];
    writeFileSync(pathOf(one), readFileSync(pathOf(other)));
    expect((await one.openAllowList()).check()?.code).toBe("allow_list_integrity_failure");
  });

  it("is refused when it is older than this process has seen", async () => {
    const open = await newIdentity();
    const { list, later } = await watched(open);
    const { deviceId } = await list.update(add());
    const old = readFileSync(pathOf(open));
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1 }));
    writeFileSync(pathOf(open), old);
    expect(later()).toMatchObject({
      code: "allow_list_rollback",
      status: 500,
      public: "allow_list_integrity_failure",
    });
    expect(await codeOf(() => list.update(add()))).toBe("allow_list_rollback");
  });

  it("is refused when it is older than the key store remembers", async () => {
    const open = await newIdentity();
    const old = readFileSync(pathOf(open));
    await (await open.openAllowList()).update(add());
    writeFileSync(pathOf(open), old);
    const list = await open.openAllowList();
    expect(list.check()?.code).toBe("allow_list_rollback");
    expect(await codeOf(() => list.update(add()))).toBe("allow_list_rollback");
  });

  it("is refused by a process that saw neither the newer list nor, in between, the older one", async () => {
    const open = await newIdentity();
    const { later, settled } = await watched(open);
    const old = readFileSync(pathOf(open));
    await (await open.openAllowList()).update(add());
    writeFileSync(pathOf(open), old);
    later();
    expect((await settled())?.code).toBe("allow_list_rollback");
  });

  it("is refused when the old file comes back with its old time and size", async () => {
    const open = await newIdentity();
    const list = await open.openAllowList();
    const { deviceId } = await list.update(add());
    const old = readFileSync(pathOf(open));
    const stranger = await watched(open);
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1 }));
    writeFileSync(pathOf(open), old);
    utimesSync(pathOf(open), 1, 1);
    stranger.later();
    expect((await stranger.settled())?.code).toBe("allow_list_rollback");
  });

  it("may be ahead of what the key store remembers: somebody was killed in between", async () => {
    const open = await newIdentity();
    const remembered = join(open.dir, "device.remembered");
    const before = readFileSync(remembered);
    const list = await open.openAllowList();
    await list.update(add());
    writeFileSync(remembered, before);
    expect((await open.openAllowList()).check()).toBeUndefined();
    await (await open.openAllowList()).update(add());
    expect((await open.openAllowList()).state.generation).toBe(3);
  });

  it.each([
    ["gone", (path: string) => rmSync(path)],
    ["edited", (path: string) => writeFileSync(path, '{"version":1,"value":"MQ","mac":"x"}')],
  ])("is refused when what the key store remembers is %s", async (_, harm) => {
    const open = await newIdentity();
    const { list, later, settled } = await watched(open);
    harm(join(open.dir, "device.remembered"));
    expect((await open.openAllowList()).check()?.code).toBe("allow_list_rollback");
    expect(await codeOf(() => list.update(add()))).toBe("allow_list_rollback");
    later();
    expect((await settled())?.code).toBe("allow_list_rollback");
  });

  it("needs the passphrase to be opened at all", async () => {
    const open = await newIdentity();
    const wrong = await openIdentity({ dir: open.dir, env: { AUTH_MESH_PASSPHRASE: "wrong" } });
    expect(await codeOf(() => wrong.openAllowList())).toBe("passphrase_wrong");
    const none = await openIdentity({ dir: open.dir, env: {} });
    expect(await codeOf(() => none.openAllowList())).toBe("passphrase_missing");
  });
});

describe("the cost of an allow list", () => {
  it("of 1,000 devices is paid at load, and a request pays well under a microsecond", async () => {
    const open = await newIdentity();
    const keys = Array.from({ length: 1000 }, () => PrivateKey.generate().publicKey);
    const writer = await open.openAllowList();
    await writer.update((draft) => {
      for (const publicKey of keys) addDevice(draft, newDevice({ publicKey }));
    });
    const start = performance.now();
    const list = await AllowList.open(open);
    const loaded = performance.now() - start;
    expect(loaded).toBeLessThan(500);

    const [first] = keys;
    const rounds = 200_000;
    const started = performance.now();
    let found = 0;
    for (let i = 0; i < rounds; i++) {
      if (list.check() === undefined && list.find(first?.base64 ?? "", "target") !== undefined) found++;
    }
    const micros = ((performance.now() - started) * 1000) / rounds;
    expect(found).toBe(rounds);
    expect(micros).toBeLessThan(2);
  });
});
