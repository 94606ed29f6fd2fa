import { setImmediate as turn } from "node:timers/promises";
import { revokeDevice } from "@authmesh/keystore";
import { invite, listen, type PairingEvent } from "@authmesh/sdk/pairing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endsAfter, holdTime } from "./held-time.js";
import { isAt, type Place, places, startHostileRelay } from "./hostile-relay.js";
import { entriesOf, newCouple, summaryOf, trusts } from "./machine.js";
import { deferred, follow, pair, startRelay } from "./two-people.js";

const acknowledgement = { from: "controller", index: 3 } as const;
const verdict = { from: "target", index: 2 } as const;

const startRelayWithout = (place: Place) =>
  startHostileRelay((frame, relay) => {
    if (isAt(frame, place)) relay.die();
    else relay.pass(frame.to, frame.payload);
  });

describe("a relay that dies", () => {
  it.each(places)("before it delivers the $name leaves nobody trusted", async (place) => {
    const { url } = await startRelayWithout(place);
    const couple = await newCouple();
    const ended = await pair({ ...couple, relay: url });

    const last = isAt(place, acknowledgement);
    const decided = isAt(place, verdict) || last;
    expect(ended.target.error).toBe(decided ? "pairing_unconfirmed" : "relay_unreachable");
    expect(ended.controller.error).toBe(last ? undefined : "relay_unreachable");
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await summaryOf(couple.controller)).toEqual(last ? ["prod-api target active"] : []);
  });

  it.each(["listen", "connect"] as const)("when it is told %s is unreachable", async (word) => {
    const { url } = await startHostileRelay(undefined, ({ type }, relay) => {
      if (type === word) relay.die();
      return type !== word;
    });
    const { target, controller } = await newCouple();
    const verb =
      word === "listen"
        ? listen({ identity: target, relay: url, verificationCode: async () => "" })
        : invite("482916", { identity: controller, relay: url });
    expect(await follow(verb)).toMatchObject({ events: [], error: "relay_unreachable" });
  });
});

describe("an acknowledgement that does not come", () => {
  it("is waited for ten seconds; then the entry is gone again", async () => {
    holdTime();
    const stored = deferred<void>();
    const { url } = await startHostileRelay((frame, relay) => {
      if (isAt(frame, verdict)) stored.resolve();
      else relay.pass(frame.to, frame.payload);
    });
    const couple = await newCouple();
    const ending = pair({ ...couple, relay: url });
    await stored.promise;
    expect(await summaryOf(couple.target)).toEqual(["Dev Laptop controller pending"]);
    expect(await trusts(couple.target, couple.controller, "controller")).toBe(false);
    const ended = await endsAfter(10, ending);
    expect(ended.target.error).toBe("pairing_unconfirmed");
    expect(ended.controller.error).toBe("pairing_peer_left");
    expect(await entriesOf(couple.target)).toEqual([]);
  });

  it("leaves a known device as it was, to the letter", async () => {
    const relay = await startRelay();
    const couple = await newCouple();
    await pair({ ...couple, relay: relay.url });
    const list = await couple.target.openAllowList();
    await list.update((draft) => {
      draft.devices = draft.devices.map((entry) => ({ ...entry, bound: false, expiresAt: 1_000_000_000 }));
    });
    const before = await entriesOf(couple.target);

    const { url } = await startRelayWithout(acknowledgement);
    const ended = await pair({ ...couple, relay: url });
    expect(ended.target.error).toBe("pairing_unconfirmed");
    expect(await entriesOf(couple.target)).toEqual(before);
  });

  it("is mended by the next pairing", async () => {
    const { url } = await startRelayWithout(acknowledgement);
    const couple = await newCouple();
    await pair({ ...couple, relay: url });
    const ended = await pair({ ...couple, relay: (await startRelay()).url });
    expect(ended.target.events.at(-1)).toMatchObject({ event: "paired", updated: false });
    expect(ended.controller.events.at(-1)).toMatchObject({ event: "paired", updated: true });
    expect(await trusts(couple.target, couple.controller, "controller")).toBe(true);
  });
});

describe("a device that is revoked while it pairs", () => {
  it("does not come in by that pairing", async () => {
    const couple = await newCouple();
    const list = await couple.target.openAllowList();
    const { deviceId } = couple.controller.publicKey;
    const { url } = await startHostileRelay(async (frame, relay) => {
      if (isAt(frame, acknowledgement))
        await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_763_700_000 }));
      relay.pass(frame.to, frame.payload);
    });
    const ended = await pair({ ...couple, relay: url });
    expect(ended.target.error).toBe("device_revoked");
    expect(await entriesOf(couple.target)).toEqual([]);
    expect((await couple.target.openAllowList()).isRevoked(deviceId)).toBe(true);
  });
});

describe("the controller", () => {
  it("says that it is paired only when the relay has its acknowledgement", async () => {
    const frames: Place[] = [];
    const { url } = await startHostileRelay((frame, relay) => {
      frames.push(frame);
      relay.pass(frame.to, frame.payload);
    });
    const couple = await newCouple();
    const ended = await pair({
      ...couple,
      relay: url,
      onInvite: ({ event }) => {
        if (event === "paired") expect(frames.at(-1)).toMatchObject(acknowledgement);
      },
    });
    expect(ended.controller.error).toBeUndefined();
  });
});

describe("time", () => {
  it("is up after 150 seconds, and the question is taken back", async () => {
    holdTime();
    const { url } = await startRelay();
    const couple = await newCouple();
    const asked = deferred<AbortSignal>();
    const ending = pair({
      ...couple,
      relay: url,
      listen: {
        verificationCode: ({ signal }) => {
          asked.resolve(signal);
          return new Promise(() => {});
        },
      },
    });
    const signal = await asked.promise;
    expect(signal.aborted).toBe(false);
    const ended = await endsAfter(150, ending);
    expect(ended.target.error).toBe("pairing_timeout");
    expect(ended.controller.error).toMatch(/^pairing_(timeout|rejected)$/);
    expect(signal.aborted).toBe(true);
  });

  it("is up when the relay says so", async () => {
    let now = 1_000_000;
    const relay = await startRelay({ now: () => now });
    const couple = await newCouple();
    const ended = await pair({
      ...couple,
      relay: relay.url,
      listen: {
        verificationCode: () => {
          now += 150_001;
          relay.sweep();
          return new Promise(() => {});
        },
      },
    });
    expect(ended.target.error).toBe("pairing_timeout");
    expect(ended.controller.error).toBe("pairing_timeout");
  });
});

async function abortAfter(turns: number, stop: AbortController): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
  stop.abort();
}

describe("a pairing that is cancelled", () => {
  /** Events of the target, and what the controller hears when it ends there. */
  const targetEvents = [
    ["code", "otc_not_found"],
    ["peer", "pairing_rejected"],
    ["verify", "pairing_rejected"],
    ["mismatch", "pairing_rejected"],
  ] as const;
  const oneWrong = (shown: string, left: number) => (left === 3 ? "no" : shown);

  it.each(targetEvents)("by the target's signal at the event %s changes nothing", async (name, heard) => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const stop = new AbortController();
    let entries = 0;
    const ended = await pair({
      ...couple,
      relay: url,
      entry: (shown, left) => {
        entries += 1;
        return oneWrong(shown, left);
      },
      listen: { signal: stop.signal },
      onListen: ({ event }) => event === name && stop.abort(),
    });
    expect(ended.target.error).toBe("pairing_cancelled");
    expect(ended.target.events.map(({ event }) => event)).toContain(name);
    expect(entries).toBe(name === "mismatch" ? 1 : 0);
    expect(ended.controller.error).toBe(heard);
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
  });

  it.each(targetEvents)(
    "by leaving the target's loop at the event %s changes nothing",
    async (name, heard) => {
      const { url } = await startRelay();
      const couple = await newCouple();
      const shown = deferred<string>();
      const side = listen({
        identity: couple.target,
        relay: url,
        verificationCode: async ({ left }) => oneWrong(await shown.promise, left),
      });
      let invited = Promise.resolve<unknown>(undefined);
      for await (const event of side) {
        if (event.event === "code") {
          const inviting = invite(event.code, { identity: couple.controller, relay: url });
          invited = follow(inviting, (told) => told.event === "sas" && shown.resolve(told.code));
        }
        if (event.event === name) break;
      }
      expect(await invited).toMatchObject({ error: heard });
      expect(await entriesOf(couple.target)).toEqual([]);
      expect(await entriesOf(couple.controller)).toEqual([]);
    },
  );

  it.each(["signal", "break"])("by the controller's %s changes nothing", async (way) => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const stop = new AbortController();
    let inviting: Promise<unknown> | undefined;
    const leave = async (events: AsyncIterable<PairingEvent>) => {
      for await (const _ of events) break;
    };
    const listening = follow(
      listen({ identity: couple.target, relay: url, verificationCode: () => new Promise(() => {}) }),
      ({ event, ...told }) => {
        if (event !== "code" || !("code" in told)) return;
        const { signal } = stop;
        const events = invite(told.code, { identity: couple.controller, relay: url, signal });
        inviting = way === "break" ? leave(events) : follow(events, () => stop.abort());
      },
    );
    expect((await listening).error).toBe("pairing_peer_left");
    const ended = await inviting;
    if (way === "signal") expect(ended).toMatchObject({ error: "pairing_cancelled" });
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
  });

  it.each(places)(
    "by both signals when the $name is under way leaves no controller behind",
    async (place) => {
      const stop = new AbortController();
      const { url } = await startHostileRelay((frame, relay) => {
        relay.pass(frame.to, frame.payload);
        if (isAt(frame, place)) stop.abort();
      });
      const couple = await newCouple();
      const { signal } = stop;
      const ended = await pair({ ...couple, relay: url, listen: { signal }, invite: { signal } });
      const errors = [ended.target.error, ended.controller.error];
      expect(errors).toContain("pairing_cancelled");
      expect(ended.target.error).toBe("pairing_cancelled");
      expect(await entriesOf(couple.target)).toEqual([]);
    },
  );

  /** A clock that cancels once it is armed and then read: this is done in the middle of a write. */
  function trap() {
    const stop = new AbortController();
    const clock = { armed: false };
    const now = () => {
      if (clock.armed) stop.abort();
      return Date.now();
    };
    return { clock, options: { now, signal: stop.signal } };
  }

  it("while the target writes the pending entry leaves nothing", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const { clock, options } = trap();
    const entry = (shown: string) => {
      clock.armed = true;
      return shown;
    };
    const ended = await pair({ ...couple, relay: url, listen: options, entry });
    expect(ended.target.error).toBe("pairing_cancelled");
    expect(ended.controller.error).toBe("pairing_rejected");
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
  });

  it("while the controller writes its entry leaves nothing", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const { clock, options } = trap();
    const onInvite = ({ event }: PairingEvent) => {
      clock.armed = event === "sas";
    };
    const ended = await pair({ ...couple, relay: url, invite: options, onInvite });
    expect(ended.controller.error).toBe("pairing_cancelled");
    expect(ended.target.error).toBe("pairing_unconfirmed");
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
  });

  it("while the target makes the entry active comes too late", async () => {
    const { clock, options } = trap();
    const { url } = await startHostileRelay((frame, relay) => {
      clock.armed = isAt(frame, acknowledgement);
      relay.pass(frame.to, frame.payload);
    });
    const couple = await newCouple();
    const ended = await pair({ ...couple, relay: url, listen: options });
    expect(options.signal.aborted).toBe(true);
    expect(ended.target.events.at(-1)).toMatchObject({ event: "paired" });
    expect(await trusts(couple.target, couple.controller, "controller")).toBe(true);
  });

  it("before it began contacts nobody", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const signal = AbortSignal.abort();
    const verificationCode = async () => "";
    const listening = listen({ identity: couple.target, relay: url, signal, verificationCode });
    expect(await follow(listening)).toMatchObject({ events: [], error: "pairing_cancelled" });
    const inviting = invite("482916", { identity: couple.controller, relay: url, signal });
    expect(await follow(inviting)).toMatchObject({ events: [], error: "pairing_cancelled" });
  });

  it("at any instant leaves a controller behind only where the target says so", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    let seconds = 1_763_700_000;
    const now = () => seconds * 1000;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("listen", "invite"),
        fc.noBias(fc.nat({ max: 6_000 })),
        async (verb, turns) => {
          seconds += 601; // past every cool-down
          for (const machine of [target, controller]) {
            const list = await machine.openAllowList();
            await list.update((draft) => {
              draft.devices = [];
            });
          }
          const stop = new AbortController();
          const giveUp = new AbortController();
          const ended = await pair({
            target,
            controller,
            relay: url,
            listen: { now, signal: verb === "listen" ? stop.signal : giveUp.signal },
            invite: verb === "invite" ? { now, signal: stop.signal } : { now },
            onInvited: ({ error }) => error !== undefined && giveUp.abort(),
            onListen: ({ event }) => {
              if (event === "code") void abortAfter(turns, stop);
            },
          });
          const paired = ended.target.error === undefined;
          expect(await summaryOf(target)).toEqual(paired ? ["Dev Laptop controller active"] : []);
          const known = ended.controller.error === undefined;
          expect(await summaryOf(controller)).toEqual(known ? ["prod-api target active"] : []);
          expect(known || !paired).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
