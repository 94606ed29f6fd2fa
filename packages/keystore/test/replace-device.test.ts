import { PrivateKey } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AllowListDraft,
  allowListContents,
  emptyAllowList,
  maxEntries,
} from "../src/allow-list-format.js";
import {
  addDevice,
  controllersInTheWay,
  type DeviceReplacement,
  type NewDevice,
  replaceDevice,
  revokeDevice,
  setScopes,
} from "../src/index.js";
import { codeOf, newDevice, newIdentity } from "./fixture.js";

const now = 1_760_000_000;
const week = 7 * 86_400;
const old = PrivateKey.generate().publicKey;
const fresh = PrivateKey.generate().publicKey;

function listWith(...entries: readonly Partial<NewDevice>[]): AllowListDraft {
  const draft = emptyAllowList(1);
  for (const entry of entries) addDevice(draft, newDevice({ publicKey: old, friendlyName: "ci", ...entry }));
  return draft;
}

const replace = (draft: AllowListDraft, more: Partial<DeviceReplacement> = {}) =>
  replaceDevice(draft, {
    replaces: old.deviceId,
    publicKey: fresh,
    keepUntil: now + week,
    now: now + 1,
    ...more,
  });

const expectWritable = (draft: AllowListDraft) =>
  allowListContents(JSON.parse(JSON.stringify({ version: 1, generation: 1, updatedAt: 1, ...draft })), "");

describe("replaceDevice", () => {
  it("gives the new key every role of the old one, and lets the old one end by itself", () => {
    const draft = listWith(
      { role: "controller", scopes: { orders: "rw" }, expiresAt: now + 100 * week },
      { role: "target", bound: false },
    );
    const added = replace(draft);
    expect(added).toEqual([
      {
        deviceId: fresh.deviceId,
        publicKey: fresh.base64,
        friendlyName: "ci",
        role: "controller",
        status: "active",
        addedAt: now + 1,
        addedBy: "manual",
        bound: true,
        scopes: { orders: "rw" },
        expiresAt: now + 100 * week,
      },
      expect.objectContaining({ role: "target", bound: false, friendlyName: "ci" }),
    ]);
    expect(draft.devices.filter(({ deviceId }) => deviceId === old.deviceId)).toMatchObject([
      { role: "controller", expiresAt: now + week },
      { role: "target", expiresAt: now + week },
    ]);
    expectWritable(draft);
  });

  it("counts once among the controllers, and the old one never stands in the way of another", () => {
    const draft = listWith({ role: "controller" });
    replace(draft);
    const newcomer = PrivateKey.generate().publicKey.deviceId;
    const inTheWay = (at: number) => controllersInTheWay(draft, newcomer, at).map(({ deviceId }) => deviceId);
    expect(inTheWay(now + week)).toEqual([fresh.deviceId]);
    expect(inTheWay(now + 2)).toEqual([fresh.deviceId]);
  });

  it("has one successor", () => {
    const draft = listWith({ role: "controller" });
    replace(draft);
    const another = PrivateKey.generate().publicKey;
    expect(() => replace(draft, { publicKey: another })).toThrow(
      expect.objectContaining({ code: "device_exists" }),
    );
  });

  it("goes when its successor is revoked, and may do no more than it", () => {
    const draft = listWith({ role: "controller", scopes: { orders: "rw", profile: "r" } });
    replace(draft);
    setScopes(draft, { deviceId: fresh.deviceId, scopes: { orders: "r" } });
    expect(draft.devices.map(({ scopes }) => scopes)).toEqual([{ orders: "r" }, { orders: "r" }]);
    const removed = revokeDevice(draft, { deviceId: fresh.deviceId, now });
    expect(removed.map(({ deviceId }) => deviceId)).toEqual([fresh.deviceId, old.deviceId]);
    expect(draft.revoked.map(({ deviceId }) => deviceId)).toEqual([fresh.deviceId, old.deviceId]);
    expectWritable(draft);
  });

  it("keeps an earlier end, takes another name, and narrows what it is told to", () => {
    const draft = listWith({
      role: "controller",
      scopes: { orders: "rw", builds: "r" },
      expiresAt: now + 60,
    });
    const more = { friendlyName: "ci 2", scopes: { orders: "r", users: "rw" }, expiresAt: now + 30 } as const;
    expect(replace(draft, more)).toMatchObject([
      { friendlyName: "ci 2", scopes: { orders: "r" }, expiresAt: now + 30 },
    ]);
    expect(draft.devices[0]).toMatchObject({ deviceId: old.deviceId, expiresAt: now + 60 });
  });

  it("never makes more of the new key than the old one was", () => {
    const access = fc.dictionary(fc.constantFrom("orders", "builds", "*"), fc.constantFrom("r", "rw"));
    const end = fc.option(fc.integer({ min: now + 2, max: now + 20 }), { nil: undefined });
    fc.assert(
      fc.property(access, access, end, end, fc.boolean(), (has, asked, ends, wanted, bound) => {
        const draft = listWith({ role: "controller", scopes: has, expiresAt: ends, bound });
        const [entry] = replace(draft, { scopes: asked, expiresAt: wanted });
        for (const [name, value] of Object.entries(entry.scopes ?? {}))
          expect([has[name], has["*"]]).toContainEqual(
            value === "rw" ? "rw" : expect.stringMatching(/^rw?$/),
          );
        expect(entry.bound).toBe(bound);
        expect(entry.expiresAt ?? Infinity).toBeLessThanOrEqual(ends ?? Infinity);
        expectWritable(draft);
      }),
    );
  });

  it("leaves out a role that has expired or is pending", () => {
    const draft = listWith(
      { role: "controller", status: "pending" },
      { role: "target" },
      { publicKey: PrivateKey.generate().publicKey },
    );
    expect(replace(draft).map(({ role }) => role)).toEqual(["target"]);
    expect(draft.devices[0]).not.toHaveProperty("expiresAt");
  });

  const full = () => {
    const draft = listWith({ role: "controller" });
    const filler = newDevice().publicKey;
    const entry = addDevice(draft, newDevice({ publicKey: filler }));
    draft.devices.push(...Array.from({ length: maxEntries - 2 }, () => entry));
    return draft;
  };
  const revoked = (publicKey: typeof old) => {
    const draft = listWith({ role: "controller" });
    addDevice(draft, newDevice({ publicKey, role: "target" }));
    revokeDevice(draft, { deviceId: publicKey.deviceId, now });
    return draft;
  };
  it.each([
    ["device_not_found", "a device nobody knows", () => emptyAllowList(1)],
    ["device_not_found", "one whose pairing is not complete", () => listWith({ status: "pending" })],
    ["device_revoked", "one that was revoked", () => revoked(old)],
    ["device_revoked", "by one that was revoked", () => revoked(fresh)],
    ["entry_expired", "one that has expired", () => listWith({ expiresAt: now + 1 })],
    ["device_exists", "by one that is there", () => listWith({}, { publicKey: fresh })],
    ["allow_list_full", "where there is no room", full],
  ])("refuses with %s to replace %s, and the list keeps what it says", async (code, _, makeDraft) => {
    const draft = makeDraft();
    const before = structuredClone(draft);
    expect(await codeOf(() => replace(draft))).toBe(code);
    expect(draft).toEqual(before);
  });

  it("refuses a device in the place of itself, and a name that is none", async () => {
    expect(await codeOf(() => replace(listWith({}), { publicKey: old }))).toBe("device_exists");
    expect(await codeOf(() => replace(listWith({}), { friendlyName: "\u200b" }))).toBe("invalid_name");
  });
});

describe("an allow list", () => {
  it("never holds the machine it belongs to, and one that does can be mended", async () => {
    const open = await newIdentity();
    const list = await open.openAllowList();
    const itself = newDevice({ publicKey: open.publicKey, role: "controller" });
    expect(await codeOf(() => list.update((draft) => addDevice(draft, itself)))).toBe("pairing_own_key");
    await list.update((draft) => addDevice(draft, newDevice({ publicKey: old })));
    expect(await codeOf(() => list.update((draft) => replace(draft, { publicKey: open.publicKey })))).toBe(
      "pairing_own_key",
    );
    expect(list.state.devices).toMatchObject([{ deviceId: old.deviceId }]);
    expect(list.state.devices[0]).not.toHaveProperty("expiresAt");
  });
});
