import type { PairingPeer, Role } from "@authmesh/core";
import { addDevice, type OpenIdentity, revokeDevice } from "@authmesh/keystore";
import { beforeEach, describe, expect, it } from "vitest";
import { PeerEntry } from "../../src/pairing/peer-entry.js";
import { entriesOf, newCouple, summaryOf } from "./machine.js";

const start = 1_763_700_000;

describe("two pairings with the same device at once", () => {
  let machine: OpenIdentity;
  let peer: PairingPeer;

  beforeEach(async () => {
    const { target, controller } = await newCouple();
    machine = target;
    const { publicKey } = controller;
    peer = { publicKey, deviceId: publicKey.deviceId, friendlyName: "Dev Laptop" };
  });

  const begin = async (role: Role, seconds = start) =>
    new PeerEntry({
      list: await machine.openAllowList(),
      role,
      now: () => seconds * 1000,
      addedBy: "handshake",
    });

  it("leave the controller active that one of them let in, when the other fails", async () => {
    const [failing, other] = [await begin("controller"), await begin("controller")];
    await failing.storePending(peer);
    await other.storePending(peer);
    await other.activate(peer);
    await failing.discard();
    expect(await summaryOf(machine)).toEqual(["Dev Laptop controller active"]);
  });

  it("let one go on when the other has failed first, in the same second", async () => {
    const [failing, other] = [await begin("controller"), await begin("controller")];
    await failing.storePending(peer);
    await other.storePending(peer);
    await failing.discard();
    expect(await summaryOf(machine)).toEqual([]);
    await other.activate(peer);
    expect(await summaryOf(machine)).toEqual(["Dev Laptop controller active"]);
  });

  it("do not let a device in that was revoked since, nor touch the revocation", async () => {
    const sides = [await begin("controller"), await begin("controller")];
    for (const side of sides) await side.storePending(peer);
    const list = await machine.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId: peer.deviceId, now: start }));
    for (const side of sides) {
      await expect(side.activate(peer)).rejects.toMatchObject({ code: "device_revoked" });
      await side.discard();
    }
    const { devices, revoked } = (await machine.openAllowList()).state;
    expect([devices, revoked.map(({ deviceId }) => deviceId)]).toEqual([[], [peer.deviceId]]);
  });

  it("leave the target that the later one has written, when the earlier one fails", async () => {
    const [failing, other] = [await begin("target"), await begin("target", start + 1)];
    await failing.store(peer);
    await other.store(peer);
    const written = await entriesOf(machine);
    await failing.discard();
    expect(await entriesOf(machine)).toEqual(written);
  });

  it.each<[string, boolean]>([
    ["a target that was known is put back, to the letter", true],
    ["a target that was not known is gone again", false],
  ])("%s", async (_, known) => {
    const { publicKey } = peer;
    const scopes = { orders: "r" } as const;
    const list = await machine.openAllowList();
    if (known)
      await list.update((draft) =>
        addDevice(draft, {
          publicKey,
          friendlyName: "Old Name",
          role: "target",
          status: "active",
          addedBy: "manual",
          bound: false,
          scopes,
          now: start - 1,
        }),
      );
    const before = await entriesOf(machine);
    const side = await begin("target");
    await side.store(peer);
    expect(side.known).toBe(known);
    expect(await entriesOf(machine)).not.toEqual(before);
    await side.discard();
    expect(await entriesOf(machine)).toEqual(before);
  });
});
