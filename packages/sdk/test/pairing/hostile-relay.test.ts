import { randomBytes } from "node:crypto";
import type { OpenIdentity } from "@authmesh/keystore";
import { invite, listen } from "@authmesh/sdk/pairing";
import { describe, expect, it } from "vitest";
import { type Frame, type HostileRelay, isAt, places, startHostileRelay } from "./hostile-relay.js";
import { entriesOf, newCouple, newMachine, summaryOf } from "./machine.js";
import { deferred, drawing, follow, pair, startRelay } from "./two-people.js";

type Act = (frame: Frame, relay: HostileRelay, earlier: readonly Frame[]) => void;

const flipped = ({ payload }: Frame, index: number) => {
  const bytes = Uint8Array.from(payload);
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytes;
};

/** What a relay can do to one frame. */
const acts: Readonly<Record<string, Act>> = {
  "flips the first bit": (frame, relay) => relay.pass(frame.to, flipped(frame, 0)),
  "flips a bit in the middle": (frame, relay) =>
    relay.pass(frame.to, flipped(frame, frame.payload.length >> 1)),
  "flips the last bit": (frame, relay) => relay.pass(frame.to, flipped(frame, frame.payload.length - 1)),
  "cuts a byte off": (frame, relay) => relay.pass(frame.to, frame.payload.subarray(1)),
  "adds a byte": (frame, relay) => relay.pass(frame.to, Buffer.concat([frame.payload, Buffer.of(0)])),
  "sends nothing instead": (frame, relay) => relay.pass(frame.to, new Uint8Array()),
  "sends noise instead": (frame, relay) => relay.pass(frame.to, randomBytes(frame.payload.length)),
  "sends too much instead": (frame, relay) => relay.pass(frame.to, randomBytes(40_000)),
  "sends it back": (frame, relay) => relay.pass(frame.from, frame.payload),
  "says noise before it": (frame, relay) => {
    relay.pass(frame.to, randomBytes(65));
    relay.pass(frame.to, frame.payload);
  },
  "replays what the same side said before": (frame, relay, earlier) =>
    relay.pass(frame.to, earlier.findLast(({ from }) => from === frame.from)?.payload ?? randomBytes(32)),
  "replays what the other side said": (frame, relay, earlier) =>
    relay.pass(frame.to, earlier.findLast(({ from }) => from === frame.to)?.payload ?? randomBytes(32)),
  "ends the session": (frame, relay) => {
    for (const side of [frame.from, frame.to]) relay.say(side, { type: "done" });
  },
};

describe("a hostile relay that touches one frame", () => {
  it.each(places)("lets nobody in by what it does to the $name", async (place) => {
    const earlier: Frame[] = [];
    let act: Act = (frame, relay) => relay.pass(frame.to, frame.payload);
    const { url } = await startHostileRelay((frame, relay) => {
      if (isAt(frame, place)) act(frame, relay, earlier);
      else relay.pass(frame.to, frame.payload);
      earlier.push(frame);
    });
    const { target, controller } = await newCouple();
    let seconds = 1_763_700_000;
    const now = () => seconds * 1000;
    for (const [name, present] of Object.entries(acts)) {
      seconds += 601; // past every cool-down
      earlier.length = 0;
      act = present;
      const ended = await pair({ target, controller, relay: url, listen: { now }, invite: { now } });
      expect(ended.target.error, name).toEqual(expect.any(String));
      expect(ended.target.events.at(-1), name).not.toMatchObject({ event: "paired" });
      expect(await entriesOf(target), name).toEqual([]);
      const acknowledged = place.name === "acknowledgement";
      expect(ended.controller.error === undefined, name).toBe(acknowledged);
      expect(await summaryOf(controller), name).toEqual(acknowledged ? ["prod-api target active"] : []);
    }
  });

  it("lets nobody in with the frames of an earlier pairing", async () => {
    const recorded: Frame[] = [];
    const old = await startHostileRelay((frame, relay) => {
      recorded.push(frame);
      relay.pass(frame.to, frame.payload);
    });
    const { target, controller } = await newCouple();
    let seconds = 1_763_700_000;
    const now = () => seconds * 1000;
    const plan = { target, controller, listen: { now }, invite: { now } };
    expect((await pair({ ...plan, relay: old.url })).target.error).toBeUndefined();
    const list = await target.openAllowList();
    await list.update((draft) => {
      draft.devices = [];
    });
    for (const place of places) {
      seconds += 601;
      const { url } = await startHostileRelay((frame, relay) => {
        const same = recorded.find((other) => isAt(other, frame)) as Frame;
        relay.pass(frame.to, isAt(frame, place) ? same.payload : frame.payload);
      });
      const ended = await pair({ ...plan, relay: url });
      expect(ended.target.error, place.name).toEqual(expect.any(String));
      expect(await entriesOf(target), place.name).toEqual([]);
    }
  });

  it("does no harm by repeating the last frame", async () => {
    const { url } = await startHostileRelay((frame, relay) => {
      relay.pass(frame.to, frame.payload);
      if (isAt(frame, { from: "controller", index: 3 })) relay.pass(frame.to, frame.payload);
    });
    const couple = await newCouple();
    const ended = await pair({ ...couple, relay: url });
    expect(ended.target.error).toBeUndefined();
    expect(await summaryOf(couple.target)).toEqual(["Dev Laptop controller active"]);
  });

  it("does not get two frames of one side in the wrong order past the other", async () => {
    let held: Frame | undefined;
    const { url } = await startHostileRelay((frame, relay) => {
      if (isAt(frame, { from: "controller", index: 1 })) {
        held = frame;
        return;
      }
      relay.pass(frame.to, frame.payload);
      if (held !== undefined) relay.pass(held.to, held.payload);
      held = undefined;
    });
    const couple = await newCouple();
    expect((await pair({ ...couple, relay: url })).target.error).toBe("pairing_frame_invalid");
  });
});

describe("a hostile relay that pairs with both sides itself", () => {
  /** Mallory, between a relay for each side, under the same code; she knows all that her two ends show. */
  async function intercept(mallory: OpenIdentity, said: (own: string, shown: string) => string) {
    const [near, far] = [await startRelay(), await startRelay()];
    const { target, controller } = await newCouple();
    const shownAtController = deferred<string>();
    const shownToMallory = deferred<string>();

    const listening = follow(
      listen({
        identity: target,
        relay: far.url,
        verificationCode: async () => said(await shownToMallory.promise, await shownAtController.promise),
      }),
      async (event) => {
        if (event.event !== "code") return;
        follow(invite(event.code, { identity: mallory, relay: far.url }), (told) => {
          if (told.event === "sas") shownToMallory.resolve(told.code);
        });
        const trap = listen({
          identity: mallory,
          relay: near.url,
          random: drawing(event.code),
          verificationCode: () => shownAtController.promise, // she forges the yes
        });
        follow(trap, (told) => {
          if (told.event !== "code") return;
          inviting.resolve(
            follow(invite(told.code, { identity: controller, relay: near.url }), (heard) => {
              if (heard.event === "sas") shownAtController.resolve(heard.code);
            }),
          );
        });
      },
    );
    const inviting = deferred<ReturnType<typeof follow>>();
    return { target, controller, listened: await listening, invited: await await inviting.promise };
  }

  it("is not let in, because the target's operator types what the controller shows", async () => {
    const mallory = await newMachine("Mallory");
    const { target, controller, listened, invited } = await intercept(mallory, (_own, shown) => shown);
    expect(listened.error).toBe("pairing_code_mismatch");
    expect(await entriesOf(target)).toEqual([]);
    // The controller's peer is Mallory, and she said yes. A target may not call.
    expect(invited.error).toBeUndefined();
    expect(await summaryOf(controller)).toEqual(["Mallory target active"]);
    expect((await controller.openAllowList()).find(mallory.publicKey.base64, "controller")).toBeUndefined();
  });

  it("would be let in by an operator who types her code: so the test can fail", async () => {
    const mallory = await newMachine("Mallory");
    const { target, listened } = await intercept(mallory, (own) => own);
    expect(listened.error).toBeUndefined();
    expect(await summaryOf(target)).toEqual(["Mallory controller active"]);
  });
});
