import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { acceptAllowList, type OpenIdentity, revokeDevice, startNewAllowList } from "../src/index.js";
import { add, codeOf, newIdentity } from "./fixture.js";

const pathOf = (open: OpenIdentity) => join(open.dir, "allow_list.json");

/** An identity whose allow list was put back to an older one; `current` is what it was. */
async function rolledBack() {
  const open = await newIdentity({ maxControllers: 2 });
  const list = await open.openAllowList();
  const { deviceId } = await list.update(add());
  const old = readFileSync(pathOf(open));
  await list.update((draft) => revokeDevice(draft, { deviceId, now: 1 }));
  writeFileSync(pathOf(open), old);
  return { open, deviceId };
}

describe("acceptAllowList", () => {
  it("makes an older list the latest, beyond every generation seen", async () => {
    const { open, deviceId } = await rolledBack();
    const running = await open.openAllowList();
    expect(running.check()?.code).toBe("allow_list_rollback");
    expect(await acceptAllowList(open)).toBe(4);
    const list = await open.openAllowList();
    expect(list.state).toMatchObject({ generation: 4, maxControllers: 2, revoked: [] });
    expect(list.state.devices).toMatchObject([{ deviceId }]);
    await list.update(add());
    expect((await open.openAllowList()).check()).toBeUndefined();
  });

  it.each([
    ["gone", (path: string) => rmSync(path)],
    ["edited", (path: string) => writeFileSync(path, "{}")],
  ])("mends a memory of the key store that is %s", async (_, harm) => {
    const open = await newIdentity();
    harm(join(open.dir, "device.remembered"));
    expect((await open.openAllowList()).check()?.code).toBe("allow_list_rollback");
    await acceptAllowList(open);
    expect((await open.openAllowList()).check()).toBeUndefined();
  });

  it("accepts no list whose seal does not fit, and none that is gone", async () => {
    const { open } = await rolledBack();
    writeFileSync(pathOf(open), readFileSync(pathOf(open), "utf8").replace("a device", "my device"));
    expect(await codeOf(() => acceptAllowList(open))).toBe("allow_list_integrity_failure");
    rmSync(pathOf(open));
    expect(await codeOf(() => acceptAllowList(open))).toBe("allow_list_missing");
  });
});

describe("startNewAllowList", () => {
  it.each([
    [
      "edited",
      (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace("a device", "my device")),
    ],
    ["cut", (path: string) => writeFileSync(path, "{")],
    ["older", () => undefined],
  ])("starts anew where the list is %s, and keeps the old file", async (_, harm) => {
    const { open } = await rolledBack();
    harm(pathOf(open));
    const bad = readFileSync(pathOf(open));
    const aside = await startNewAllowList(open, { maxControllers: 3, now: () => 1_760_000_000_000 });
    expect(aside).toMatch(/allow_list\.json\.set-aside-1760000000-[0-9a-f]{4}$/);
    expect(readFileSync(aside ?? "")).toEqual(bad);
    const { state } = await open.openAllowList();
    expect(state).toMatchObject({ generation: 4, maxControllers: 3, devices: [], revoked: [] });
  });

  it("starts anew where the list is gone", async () => {
    const { open } = await rolledBack();
    rmSync(pathOf(open));
    expect(await startNewAllowList(open)).toBeUndefined();
    expect((await open.openAllowList()).state).toMatchObject({ generation: 4, maxControllers: 1 });
  });

  it("never lets the old file back in", async () => {
    const { open } = await rolledBack();
    const aside = await startNewAllowList(open);
    writeFileSync(pathOf(open), readFileSync(aside ?? ""));
    expect((await open.openAllowList()).check()?.code).toBe("allow_list_rollback");
  });

  it("is noticed by a process that runs", async () => {
    const open = await newIdentity();
    let at = 0;
    const running = await open.openAllowList({ monotonic: () => at });
    writeFileSync(pathOf(open), "{");
    at = 500;
    expect(running.check()?.code).toBe("allow_list_damaged");
    await startNewAllowList(open);
    at = 1000;
    expect(running.check()).toBeUndefined();
  });
});
