import { addDevice, type OpenIdentity } from "@authmesh/keystore";
import type { ListenOptions } from "@authmesh/sdk/pairing";
import { beforeEach, describe, expect, it } from "vitest";
import { newMachine, summaryOf, trusts } from "./machine.js";
import { pair, startRelay, wrong } from "./two-people.js";

type Question = Parameters<NonNullable<ListenOptions["replaceController"]>>[0];

describe("a target that has its one controller", () => {
  let url: string;
  let target: OpenIdentity;
  let first: OpenIdentity;
  let second: OpenIdentity;

  beforeEach(async () => {
    ({ url } = await startRelay());
    [target, first, second] = await Promise.all([
      newMachine("prod-api"),
      newMachine("Old Laptop"),
      newMachine("New Laptop"),
    ]);
    await pair({ target, controller: first, relay: url });
  });

  it("refuses a second one when nobody is there to be asked", async () => {
    const ended = await pair({ target, controller: second, relay: url });
    expect(ended.target.error).toBe("controller_limit_reached");
    expect(ended.target.detail).toContain('"Old Laptop"');
    expect(ended.target.events.map(({ event }) => event)).toEqual(["code", "peer"]);
    expect(ended.controller.error).toBe("pairing_rejected");
    expect(await summaryOf(target)).toEqual(["Old Laptop controller active"]);
    expect(await summaryOf(second)).toEqual([]);
  });

  it("asks who may go for whom before it asks for the code, and takes a no", async () => {
    const questions: Question[] = [];
    const ended = await pair({
      target,
      controller: second,
      relay: url,
      listen: {
        replaceController(question) {
          questions.push(question);
          return false;
        },
      },
    });
    expect(questions).toEqual([
      {
        peer: { deviceId: second.publicKey.deviceId, friendlyName: "New Laptop" },
        present: [{ deviceId: first.publicKey.deviceId, friendlyName: "Old Laptop" }],
        signal: expect.any(AbortSignal),
      },
    ]);
    expect(ended.target.error).toBe("controller_limit_reached");
    expect(ended.target.events.map(({ event }) => event)).not.toContain("verify");
    expect(ended.controller.error).toBe("pairing_rejected");
  });

  it("replaces it when the operator agrees", async () => {
    const ended = await pair({
      target,
      controller: second,
      relay: url,
      listen: { replaceController: async () => true },
    });
    expect(ended.target.error).toBeUndefined();
    expect(await summaryOf(target)).toEqual(["New Laptop controller active"]);
    expect(await trusts(target, first, "controller")).toBe(false);
  });

  it("keeps it until the new one has shown the right code", async () => {
    const listen = { replaceController: () => true };
    const ended = await pair({ target, controller: second, relay: url, entry: wrong, listen });
    expect(ended.target.error).toBe("pairing_code_mismatch");
    expect(await summaryOf(target)).toEqual(["Old Laptop controller active"]);
  });

  it("lets nobody go whom the operator was not asked about", async () => {
    const list = await target.openAllowList();
    const third = await newMachine("Unheard Of");
    const ended = await pair({
      target,
      controller: second,
      relay: url,
      listen: { replaceController: () => true },
      entry: async (shown) => {
        await list.update((draft) => {
          draft.devices = [];
          const { publicKey } = third;
          addDevice(draft, {
            publicKey,
            friendlyName: "Unheard Of",
            role: "controller",
            status: "active",
            addedBy: "manual",
            bound: false,
            now: 1_763_700_000,
          });
        });
        return shown;
      },
    });
    expect(ended.target.error).toBe("controller_limit_reached");
    expect(ended.controller.error).toBe("pairing_rejected");
    expect(await summaryOf(target)).toEqual(["Unheard Of controller active"]);
  });

  it("does not ask when the one controller pairs again", async () => {
    const ended = await pair({ target, controller: first, relay: url });
    expect(ended.target.events.at(-1)).toMatchObject({ event: "paired", updated: true });
  });

  it("hands on what a question fails with, and refuses the peer", async () => {
    const crash = new RangeError("the terminal is gone");
    const rejected = pair({
      target,
      controller: second,
      relay: url,
      listen: { replaceController: () => Promise.reject(crash) },
      onInvite: () => {},
    });
    await expect(rejected).rejects.toBe(crash);
    expect(await summaryOf(target)).toEqual(["Old Laptop controller active"]);
  });
});

describe("a target that accepts two controllers", () => {
  it("takes a second one without a question", async () => {
    const { url } = await startRelay();
    const target = await newMachine("prod-api", { maxControllers: 2 });
    for (const name of ["One", "Two"]) {
      const ended = await pair({ target, controller: await newMachine(name), relay: url });
      expect(ended.target.error).toBeUndefined();
    }
    expect(await summaryOf(target)).toEqual(["One controller active", "Two controller active"]);
  });
});
