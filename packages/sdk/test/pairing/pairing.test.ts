import { revokeDevice, setScopes } from "@authmesh/keystore";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { entriesOf, env, newCouple, newMachine, summaryOf, trusts } from "./machine.js";
import { pair, startRelay } from "./two-people.js";

describe("pairing over a relay", () => {
  it("tells each side what its operator has to know, and nothing else", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const ended = await pair({ target, controller, relay: url });

    const controllerId = controller.publicKey.deviceId;
    const targetId = target.publicKey.deviceId;
    expect(ended.target.events.map((event) => JSON.stringify(event))).toEqual([
      expect.stringMatching(/^{"event":"code","code":"[1-9][0-9]{5}","expiresIn":60}$/),
      `{"event":"peer","deviceId":"${controllerId}","friendlyName":"Dev Laptop"}`,
      '{"event":"verify","left":3}',
      `{"event":"paired","deviceId":"${controllerId}","role":"controller","friendlyName":"Dev Laptop","updated":false}`,
    ]);
    expect(ended.controller.events.map((event) => JSON.stringify(event))).toEqual([
      expect.stringMatching(
        `^{"event":"sas","code":"[0-9]{6}","deviceId":"${targetId}","friendlyName":"prod-api"}$`,
      ),
      `{"event":"paired","deviceId":"${targetId}","role":"target","friendlyName":"prod-api","updated":false}`,
    ]);
    expect(ended.target.error).toBeUndefined();
    expect(ended.controller.error).toBeUndefined();
  });

  it("writes a bound, active controller at the target and a target at the controller", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const now = () => 1_763_700_000_999;
    await pair({ target, controller, relay: url, listen: { now }, invite: { now } });

    const common = { status: "active", addedBy: "handshake", bound: true, addedAt: 1_763_700_000 };
    expect(await entriesOf(target)).toEqual([
      {
        deviceId: controller.publicKey.deviceId,
        publicKey: controller.publicKey.base64,
        friendlyName: "Dev Laptop",
        role: "controller",
        ...common,
      },
    ]);
    expect(await entriesOf(controller)).toEqual([
      {
        deviceId: target.publicKey.deviceId,
        publicKey: target.publicKey.base64,
        friendlyName: "prod-api",
        role: "target",
        ...common,
      },
    ]);
    expect(await trusts(target, controller, "controller")).toBe(true);
    expect(await trusts(controller, target, "controller")).toBe(false);
  });

  it("works in both directions between the same two machines", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    await pair({ target, controller, relay: url });
    const back = await pair({ target: controller, controller: target, relay: url });

    expect(back.target.events.at(-1)).toMatchObject({ event: "paired", role: "controller", updated: false });
    expect(await summaryOf(target)).toEqual(["Dev Laptop controller active", "Dev Laptop target active"]);
    expect(await summaryOf(controller)).toEqual(["prod-api target active", "prod-api controller active"]);
  });

  it("does not mind white space in what people type", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const ended = await pair({
      target,
      controller,
      relay: url,
      retype: (code) => ` ${code.slice(0, 3)} ${code.slice(3)}\n`,
      entry: (shown) => `${shown.slice(0, 3)} ${shown.slice(3)} `,
    });
    expect(ended.controller.error).toBeUndefined();
    expect(ended.target.error).toBeUndefined();
  });

  it("runs fifty pairings at once over one relay", async () => {
    const { url } = await startRelay();
    const targets = await Promise.all(Array.from({ length: 50 }, (_, i) => newMachine(`server ${i}`)));
    const controllers = await Promise.all(Array.from({ length: 5 }, (_, i) => newMachine(`laptop ${i}`)));
    const ends = await Promise.all(
      targets.map((target, i) =>
        pair({ target, controller: controllers[i % 5] as (typeof controllers)[0], relay: url }),
      ),
    );

    expect(ends.flatMap(({ target, controller }) => [target.error, controller.error])).toEqual(
      Array(100).fill(undefined),
    );
    const known = await Promise.all(
      targets.map((target, i) => trusts(target, controllers[i % 5] as typeof target, "controller")),
    );
    expect(known).toEqual(Array(50).fill(true));
    expect((await Promise.all(controllers.map(entriesOf))).map(({ length }) => length)).toEqual([
      10, 10, 10, 10, 10,
    ]);
  });
});

describe("pairing with a device that is known already", () => {
  it("updates the entry and keeps what was granted", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const { deviceId } = controller.publicKey;
    await pair({ target, controller, relay: url, listen: { now: () => 1_000_000_000_000 } });
    const list = await target.openAllowList();
    await list.update((draft) => setScopes(draft, { deviceId, scopes: { orders: "r" } }));
    const again = await pair({ target, controller, relay: url, listen: { now: () => 2_000_000_000_000 } });

    expect(again.target.events.at(-1)).toMatchObject({ event: "paired", updated: true });
    expect(again.controller.events.at(-1)).toMatchObject({ event: "paired", updated: true });
    expect(await entriesOf(target)).toMatchObject([
      { deviceId, status: "active", scopes: { orders: "r" }, addedAt: 2_000_000_000 },
    ]);
    expect(await entriesOf(controller)).toHaveLength(1);
  });

  it("renews an entry that has expired only when all is done", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    await pair({ target, controller, relay: url });
    const list = await target.openAllowList();
    await list.update((draft) => {
      draft.devices = draft.devices.map((entry) => ({ ...entry, expiresAt: 1_000_000_000 }));
    });
    const before = await entriesOf(target);
    await pair({ target, controller, relay: url, entry: () => "no code" });
    expect(await entriesOf(target)).toEqual(before);
    await pair({ target, controller, relay: url });
    expect((await entriesOf(target))[0]).not.toHaveProperty("expiresAt");
  });

  it("lets a revoked device in again, because two people agreed", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const { deviceId } = controller.publicKey;
    await pair({ target, controller, relay: url });
    const list = await target.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_763_700_000 }));
    expect(await trusts(target, controller, "controller")).toBe(false);
    const again = await pair({ target, controller, relay: url });

    expect(again.target.events.at(-1)).toMatchObject({ event: "paired", updated: false });
    expect(await trusts(target, controller, "controller")).toBe(true);
    expect((await target.openAllowList()).isRevoked(deviceId)).toBe(false);
  });

  it("refuses a machine that answers itself", async () => {
    const { url } = await startRelay();
    const machine = await newMachine("alone");
    const ended = await pair({ target: machine, controller: machine, relay: url });
    expect(ended.target.error).toBe("pairing_own_key");
    expect(ended.controller.error).toBe("pairing_peer_left");
    expect(await entriesOf(machine)).toEqual([]);
  });

  it("opens the identity of a folder by itself", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
    onTestFinished(() => void vi.unstubAllEnvs());
    const ended = await pair({
      target,
      controller,
      relay: url,
      listen: { dir: target.dir },
    });
    expect(ended.target.events.at(-1)).toMatchObject({ event: "paired" });
  });
});
