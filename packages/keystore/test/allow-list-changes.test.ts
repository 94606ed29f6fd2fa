import { AmeshError, PrivateKey, type Scopes } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import {
  type AllowListDraft,
  allowListContents,
  emptyAllowList,
  maxEntries,
  maxTombstones,
} from "../src/allow-list-format.js";
import { openAllowList, sealAllowList } from "../src/allow-list-seal.js";
import {
  addDevice,
  type Consent,
  controllersInTheWay,
  type NewDevice,
  removePendingDevice,
  revokeDevice,
  setAudience,
  setScopes,
} from "../src/index.js";
import { newDevice } from "./fixture.js";

const now = 1_760_000_000;
const keyOf = () => PrivateKey.generate().publicKey;
const controller = (more: Partial<NewDevice> = {}) => newDevice({ role: "controller", ...more });

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "no error";
};

/** Whatever the verbs do, the list can be written and read back. */
const expectWritable = (draft: AllowListDraft) =>
  allowListContents(JSON.parse(JSON.stringify({ version: 1, generation: 1, updatedAt: 1, ...draft })), "");

describe("addDevice", () => {
  it("adds a device under the id of its key, its name cleaned", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, friendlyName: " My\u200b Laptop " }));
    expect(draft.devices).toEqual([
      {
        deviceId: publicKey.deviceId,
        publicKey: publicKey.base64,
        friendlyName: "My Laptop",
        role: "controller",
        status: "active",
        addedAt: now,
        addedBy: "handshake",
        bound: true,
      },
    ]);
    expectWritable(draft);
  });

  it("keeps one entry for each role of a device", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey }));
    addDevice(draft, newDevice({ publicKey }));
    addDevice(draft, newDevice({ publicKey, friendlyName: "renamed" }));
    expect(draft.devices.map(({ role, friendlyName }) => [role, friendlyName])).toEqual([
      ["controller", "a device"],
      ["target", "renamed"],
    ]);
    expectWritable(draft);
  });

  it.each<[string, Scopes | undefined, Scopes | undefined, Scopes | undefined]>([
    ["keeps scopes that are not named again", { orders: "rw" }, undefined, { orders: "rw" }],
    ["narrows scopes", { orders: "rw", profile: "r" }, { orders: "r" }, { orders: "r" }],
    ["does not widen scopes", { orders: "r" }, { orders: "rw", profile: "rw" }, { orders: "r" }],
    ["does not grant where nothing was granted", undefined, { orders: "rw" }, {}],
  ])("%s when a device pairs again", (_, before, again, after) => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, scopes: before }));
    addDevice(draft, controller({ publicKey, scopes: again }));
    expect(draft.devices[0]?.scopes).toEqual(after);
  });

  it.each([
    ["keeps an expiry", now + 100, undefined, now + 100],
    ["sets an earlier one", now + 100, now + 50, now + 50],
    ["does not set a later one", now + 100, now + 500, now + 100],
    ["sets one where there was none", undefined, now + 50, now + 50],
    ["renews one that has passed", now, now + 50, now + 50],
  ])("%s when a device pairs again", (_, before, again, after) => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, expiresAt: before }));
    addDevice(draft, controller({ publicKey, expiresAt: again }));
    expect(draft.devices[0]?.expiresAt).toBe(after);
  });

  it("lets a device whose entry has ended in again only once its pairing is confirmed", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, expiresAt: now, scopes: { orders: "r" } }));
    addDevice(draft, controller({ publicKey, status: "pending" }));
    expect(draft.devices).toMatchObject([{ status: "pending", scopes: { orders: "r" } }]);
    addDevice(draft, controller({ publicKey }));
    expect(draft.devices).toMatchObject([{ status: "active" }]);
  });

  it("is not held to scopes of a pairing that was never confirmed", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, status: "pending", expiresAt: now + 1 }));
    addDevice(draft, controller({ publicKey, scopes: { orders: "rw" } }));
    expect(draft.devices).toMatchObject([{ status: "active", scopes: { orders: "rw" } }]);
    expect(draft.devices[0]?.expiresAt).toBeUndefined();
  });

  it("never takes bound back, nor makes an active device pending", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey }));
    addDevice(draft, controller({ publicKey, bound: false, status: "pending", addedBy: "manual" }));
    expect(draft.devices).toMatchObject([{ bound: true, status: "active" }]);
    addDevice(draft, newDevice({ publicKey, bound: false }));
    addDevice(draft, newDevice({ publicKey, bound: true }));
    expect(draft.devices[1]?.bound).toBe(true);
  });

  it("refuses another key under an id that is taken", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, newDevice({ publicKey }));
    draft.devices = draft.devices.map((entry) => ({ ...entry, publicKey: keyOf().base64 }));
    expect(codeOf(() => addDevice(draft, controller({ publicKey })))).toBe("invalid_public_key");
  });

  it("refuses a name that nobody can see", () => {
    expect(codeOf(() => addDevice(emptyAllowList(1), newDevice({ friendlyName: "\u200b" })))).toBe(
      "invalid_name",
    );
  });
});

describe("the controller limit", () => {
  const full = (maxControllers: number, count = maxControllers) => {
    const draft = emptyAllowList(maxControllers);
    const devices = Array.from({ length: count }, (_, i) => controller({ now: now + i }));
    for (const device of devices) addDevice(draft, device);
    return { draft, ids: devices.map(({ publicKey }) => publicKey.deviceId) };
  };

  it("refuses one controller too many, and says which stand in the way", () => {
    const { draft, ids } = full(1);
    expect(codeOf(() => addDevice(draft, controller()))).toBe("controller_limit_reached");
    expect(() => addDevice(draft, controller())).toThrow(ids[0]);
    expect(draft.devices).toHaveLength(1);
  });

  it("does not count targets, pending or expired devices, nor the device itself", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    addDevice(draft, newDevice());
    addDevice(draft, controller({ status: "pending" }));
    addDevice(draft, controller({ expiresAt: now }));
    addDevice(draft, controller({ publicKey }));
    addDevice(draft, controller({ publicKey, friendlyName: "again" }));
    expect(draft.devices).toHaveLength(4);
    expect(controllersInTheWay(draft, "am_another", now)).toMatchObject([{ friendlyName: "again" }]);
  });

  it("lets the first ones go when replacement is allowed, as many as needed", () => {
    const { draft, ids } = full(3);
    const newcomer = controller({ replace: true });
    expect(controllersInTheWay(draft, newcomer.publicKey.deviceId, now).map((d) => d.deviceId)).toEqual([
      ids[0],
    ]);
    addDevice(draft, newcomer);
    expect(draft.devices.map((d) => d.deviceId)).toEqual([ids[1], ids[2], newcomer.publicKey.deviceId]);
    expect(draft.revoked).toEqual([]);
    expectWritable(draft);
  });

  it("keeps the old controller until a pending one is confirmed", () => {
    const { draft, ids } = full(1);
    const newcomer = controller({ replace: true });
    const { deviceId } = newcomer.publicKey;
    addDevice(draft, { ...newcomer, status: "pending" });
    expect(draft.devices.map((d) => d.deviceId)).toEqual([ids[0], deviceId]);

    expect(codeOf(() => addDevice(draft, { ...newcomer, replace: false }))).toBe("controller_limit_reached");
    addDevice(draft, newcomer);
    expect(draft.devices).toMatchObject([{ deviceId, status: "active" }]);
  });

  it("holds when two pending ones are confirmed", () => {
    const draft = emptyAllowList(1);
    const [one, two] = [controller(), controller()];
    for (const device of [one, two]) addDevice(draft, { ...device, status: "pending" });
    addDevice(draft, one);
    expect(codeOf(() => addDevice(draft, two))).toBe("controller_limit_reached");
  });
});

describe("a pending device", () => {
  it("is removed without a trace, and only while it is pending", () => {
    const draft = emptyAllowList(1);
    const device = controller({ status: "pending" });
    const key = { deviceId: device.publicKey.deviceId, role: "controller" } as const;
    addDevice(draft, device);
    removePendingDevice(draft, { ...key, role: "target" });
    expect(draft.devices).toHaveLength(1);
    removePendingDevice(draft, key);
    expect(draft).toEqual(emptyAllowList(1));

    addDevice(draft, device);
    addDevice(draft, { ...device, status: "active" });
    removePendingDevice(draft, key);
    expect(draft.devices).toHaveLength(1);
  });
});

describe("a list that is full", () => {
  /** Names of the right form that nobody's key has. */
  const tombstones = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      deviceId: `am_${String(i).padStart(16, "0")}`,
      friendlyName: "x".repeat(64),
      revokedAt: now,
    }));

  it("lets every device be revoked, though 10,000 were before, and can be read back from its bytes", () => {
    const draft = emptyAllowList(1);
    const { deviceId } = addDevice(draft, controller());
    draft.revoked = tombstones(maxTombstones - 1);
    revokeDevice(draft, { deviceId, now });
    expect(draft.revoked).toHaveLength(maxTombstones);
    const key = new Uint8Array(32);
    const contents = { version: 1, generation: 1, updatedAt: now, ...draft } as const;
    expect(openAllowList(Buffer.from(sealAllowList(contents, key)), key).revoked).toHaveLength(maxTombstones);
  }, 60_000);

  it("refuses a new device while its tombstone would find no room, and updates those it has", () => {
    const draft = emptyAllowList(2);
    const present = controller();
    const { deviceId } = addDevice(draft, present);
    draft.revoked = tombstones(maxTombstones - 1);
    expect(codeOf(() => addDevice(draft, controller()))).toBe("allow_list_full");
    expect(addDevice(draft, { ...present, friendlyName: "renamed" }).friendlyName).toBe("renamed");
    draft.revoked.pop();
    addDevice(draft, controller());
    for (const id of [deviceId, draft.devices[1]?.deviceId ?? ""]) revokeDevice(draft, { deviceId: id, now });
    expectWritable(draft);
  }, 60_000);

  it("refuses a device beyond 10,000", () => {
    const draft = emptyAllowList(1);
    const entry = addDevice(draft, newDevice());
    draft.devices = Array.from({ length: maxEntries }, () => entry);
    expect(codeOf(() => addDevice(draft, newDevice()))).toBe("allow_list_full");
  });
});

describe("revokeDevice", () => {
  const paired = () => {
    const draft = emptyAllowList(2);
    const publicKey = keyOf();
    addDevice(draft, controller({ publicKey, friendlyName: "lost laptop" }));
    addDevice(draft, newDevice({ publicKey, status: "pending" }));
    addDevice(draft, controller());
    return { draft, publicKey, deviceId: publicKey.deviceId };
  };

  it("removes the device in every role and leaves a tombstone", () => {
    const { draft, deviceId } = paired();
    const removed = revokeDevice(draft, { deviceId, now });
    expect(removed.map(({ role }) => role)).toEqual(["controller", "target"]);
    expect(draft.devices).toHaveLength(1);
    expect(draft.revoked).toEqual([{ deviceId, friendlyName: "lost laptop", revokedAt: now }]);
    expectWritable(draft);
  });

  it("says device_not_found of a device that is not there, or not there any more", () => {
    const { draft, deviceId } = paired();
    revokeDevice(draft, { deviceId, now });
    expect(codeOf(() => revokeDevice(draft, { deviceId, now }))).toBe("device_not_found");
    expect(codeOf(() => revokeDevice(draft, { deviceId: "\u001b[2J", now }))).toBe("device_not_found");
    expect(() => revokeDevice(draft, { deviceId: "\u001b[2J", now })).not.toThrow("\u001b");
  });

  it.each([["bootstrap"], ["enrollment"], ["manual"]] as const)(
    "keeps the device out when it comes back by %s",
    (addedBy) => {
      const { draft, publicKey, deviceId } = paired();
      revokeDevice(draft, { deviceId, now });
      for (const status of ["active", "pending"] as const)
        expect(codeOf(() => addDevice(draft, controller({ publicKey, addedBy, status })))).toBe(
          "device_revoked",
        );
      expect(draft.revoked).toHaveLength(1);
    },
  );

  it("gives way to people who pair the device again, once they have confirmed it", () => {
    const { draft, publicKey, deviceId } = paired();
    revokeDevice(draft, { deviceId, now });
    const consent: Consent = { acceptRevoked: true };
    addDevice(draft, controller({ publicKey, status: "pending", ...consent }));
    expect(draft.revoked).toHaveLength(1);
    expectWritable(draft);
    expect(codeOf(() => addDevice(draft, controller({ publicKey })))).toBe("device_revoked");
    addDevice(draft, controller({ publicKey, ...consent }));
    expect(draft.revoked).toEqual([]);
    expectWritable(draft);
    revokeDevice(draft, { deviceId, now });
    expect(draft.revoked).toHaveLength(1);
  });
});

describe("a target that was revoked", () => {
  it("may be listed again, and stays revoked as a controller", () => {
    const draft = emptyAllowList(1);
    const publicKey = keyOf();
    const { deviceId } = addDevice(draft, controller({ publicKey }));
    revokeDevice(draft, { deviceId, now });
    const { revoked } = structuredClone(draft);
    expect(codeOf(() => addDevice(draft, newDevice({ publicKey })))).toBe("device_revoked");

    addDevice(draft, newDevice({ publicKey, acceptRevoked: true }));
    expect(draft.devices).toMatchObject([{ deviceId, role: "target", status: "active" }]);
    expect(draft.revoked).toEqual(revoked);
    expectWritable(draft);
    expect(codeOf(() => addDevice(draft, controller({ publicKey })))).toBe("device_revoked");

    expect(revokeDevice(draft, { deviceId, now: now + 1 })).toHaveLength(1);
    expect(draft).toMatchObject({ devices: [], revoked: [{ deviceId, revokedAt: now + 1 }] });
  });
});

describe("setScopes and setAudience", () => {
  it("sets what a controller may do, wider than before too", () => {
    const draft = emptyAllowList(1);
    const { deviceId } = addDevice(draft, controller({ scopes: { orders: "r" } }));
    setScopes(draft, { deviceId, scopes: { orders: "rw" } });
    expect(draft.devices[0]?.scopes).toEqual({ orders: "rw" });
    expectWritable(draft);
  });

  it("knows no scopes of a target or a stranger", () => {
    const draft = emptyAllowList(1);
    const { deviceId } = addDevice(draft, newDevice());
    expect(codeOf(() => setScopes(draft, { deviceId, scopes: {} }))).toBe("device_not_found");
  });

  it("writes hosts in their one spelling, and removes them", () => {
    const draft = emptyAllowList(1);
    setAudience(draft, ["API.Example.com.", "[::1]:3000"]);
    expect(draft.audience).toEqual(["api.example.com", "[::1]:3000"]);
    expectWritable(draft);
    setAudience(draft, []);
    expect(draft).toEqual(emptyAllowList(1));
    expect(() => setAudience(draft, ["https://x/"])).toThrow(TypeError);
  });
});
