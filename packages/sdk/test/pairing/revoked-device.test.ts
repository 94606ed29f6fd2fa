import { addDevice, type OpenIdentity, revokeDevice } from "@authmesh/keystore";
import type { PairingEvent, PairingOptions } from "@authmesh/sdk/pairing";
import { beforeEach, describe, expect, it } from "vitest";
import { newCouple, summaryOf, trusts } from "./machine.js";
import { pair, startRelay, wrong } from "./two-people.js";

const now = 1_763_700_000;

async function tombstonesOf(machine: OpenIdentity) {
  return (await machine.openAllowList()).state.revoked;
}

async function addAsController(machine: OpenIdentity, { publicKey }: OpenIdentity): Promise<void> {
  const list = await machine.openAllowList();
  await list.update((draft) =>
    addDevice(draft, {
      publicKey,
      friendlyName: "by hand",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: false,
      now,
    }),
  );
}

describe("a device that was revoked", () => {
  let here: OpenIdentity;
  let revoked: OpenIdentity;
  let tombstones: Awaited<ReturnType<typeof tombstonesOf>>;

  beforeEach(async () => {
    ({ target: revoked, controller: here } = await newCouple());
    await addAsController(here, revoked);
    const list = await here.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId: revoked.publicKey.deviceId, now }));
    tombstones = await tombstonesOf(here);
    expect(tombstones).toHaveLength(1);
  });

  it("stays so when it answers an invitation: a target lets nobody in", async () => {
    const { url } = await startRelay();
    const ended = await pair({ target: revoked, controller: here, relay: url });
    expect(ended.controller.error).toBeUndefined();
    expect(await summaryOf(here)).toEqual(["prod-api target active"]);
    expect(await tombstonesOf(here)).toEqual(tombstones);
    await expect(addAsController(here, revoked)).rejects.toMatchObject({ code: "device_revoked" });
    expect(await trusts(here, revoked, "controller")).toBe(false);
  });

  it("stays so when the invitation it answers is cancelled in the middle of a write", async () => {
    const { url } = await startRelay();
    const stop = new AbortController();
    let armed = false;
    const invite: PairingOptions = {
      signal: stop.signal,
      now: () => {
        if (armed) stop.abort();
        return Date.now();
      },
    };
    const onInvite = ({ event }: PairingEvent) => {
      armed = event === "sas";
    };
    const ended = await pair({ target: revoked, controller: here, relay: url, invite, onInvite });
    expect(ended.controller.error).toBe("pairing_cancelled");
    expect(await summaryOf(here)).toEqual([]);
    expect(await tombstonesOf(here)).toEqual(tombstones);
  });

  it("stays so when its verification code is wrong", async () => {
    const { url } = await startRelay();
    const ended = await pair({ target: here, controller: revoked, relay: url, entry: wrong });
    expect(ended.target.error).toBe("pairing_code_mismatch");
    expect(await tombstonesOf(here)).toEqual(tombstones);
  });

  it("is let in again by a person who types its code", async () => {
    const { url } = await startRelay();
    const ended = await pair({ target: here, controller: revoked, relay: url });
    expect(ended.target.error).toBeUndefined();
    expect(await summaryOf(here)).toEqual(["prod-api controller active"]);
    expect(await tombstonesOf(here)).toEqual([]);
  });
});
