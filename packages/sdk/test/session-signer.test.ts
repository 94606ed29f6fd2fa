import { AmeshError, deviceIdOf, fromBase64, readDelegation, signRequest } from "@authmesh/core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ClientSigner } from "../src/client/request-signer.js";
import { SessionSigner } from "../src/client/session-signer.js";
import type { Logger } from "../src/logger.js";
import { makeIdentity, silent } from "./fixtures/pair.js";

/** A session signer whose clocks, timers and store are in the test's hands. */
function inHand() {
  const identity = makeIdentity();
  const warnings: { message: string; fields: Record<string, unknown> }[] = [];
  const hand = {
    wall: 1_743_160_800_000,
    monotonic: 5_000,
    /** What the store does with the next message; by default it signs. */
    store: identity.sign,
    asked: 0,
    timers: new Set<{ readonly callback: () => void; readonly ms: number }>(),
    warnings,
    /** The timers that are set now go off. */
    ring() {
      const due = [...hand.timers];
      hand.timers.clear();
      for (const { callback } of due) callback();
    },
    pass(seconds: number) {
      hand.wall += seconds * 1000;
      hand.monotonic += seconds * 1000;
    },
  };
  const logger: Logger = {
    ...silent,
    warn: (message, fields) => warnings.push({ message, fields: fields as Record<string, unknown> }),
  };
  const signer = new SessionSigner({
    identity: {
      publicKey: identity.publicKey,
      sign: (message) => {
        hand.asked++;
        return hand.store(message);
      },
    },
    logger,
    now: () => hand.wall,
    monotonic: () => hand.monotonic,
    schedule: (callback, ms) => {
      const timer = { callback, ms };
      hand.timers.add(timer);
      return () => hand.timers.delete(timer);
    },
  });
  onTestFinished(() => signer.close());
  return { hand, signer, identity };
}

/** Lets everything that waits for nothing outside run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const broken = () => Promise.reject(new AmeshError("key_store_unavailable", "The store does not answer."));

const keyAtOnce = (signer: SessionSigner): string => {
  const current = signer.current();
  if (current instanceof Promise) throw new Error("The request would have waited.");
  return current.key;
};
const begin = async (signer: SessionSigner) => (await signer.current()).key;
const sign = (signer: ClientSigner) =>
  signRequest({ method: "GET", url: new URL("http://a.example/") }, signer);

describe("a session", () => {
  test("is delegated to for 300 seconds by the device", async () => {
    const { hand, signer, identity } = inHand();
    const { key, delegation: text } = await signer.current();
    const delegation = readDelegation(text as string);
    if ("code" in delegation) throw new Error(delegation.detail);
    expect(delegation.sessionKey.base64).toBe(key);
    expect(delegation.expiresAt - delegation.issuedAt).toBe(300);
    expect(delegation.issuedAt).toBe(hand.wall / 1000);
    expect(delegation.isSignedBy(identity.publicKey)).toBe(true);
    expect(deviceIdOf(fromBase64(key) as Uint8Array)).not.toBe(identity.publicKey.deviceId);
  });

  test("is followed by one with another key while it still serves, and its own key is forgotten", async () => {
    const { hand, signer } = inHand();
    const first = await signer.current();
    hand.pass(179);
    expect(keyAtOnce(signer)).toBe(first.key);
    await settle();
    expect(hand.asked).toBe(1);
    hand.pass(1);
    expect(keyAtOnce(signer)).toBe(first.key);
    await sign(first);
    await settle();
    expect(hand.asked).toBe(2);
    expect(keyAtOnce(signer)).not.toBe(first.key);
    await expect(sign(first)).rejects.toThrow(TypeError);
  });

  test("is renewed by a timer where no request comes", async () => {
    const { hand, signer } = inHand();
    const first = await begin(signer);
    expect([...hand.timers].map(({ ms }) => ms)).toEqual([180_000]);
    hand.pass(180);
    hand.ring();
    await settle();
    hand.pass(150); // the first would have ended by now
    expect(keyAtOnce(signer)).not.toBe(first);
    expect(hand.timers.size).toBe(1);
  });

  test("is renewed in one flight, however many requests come meanwhile", async () => {
    const { hand, signer, identity } = inHand();
    const first = await begin(signer);
    let answer = () => {};
    hand.store = async (message) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return identity.sign(message);
    };
    hand.pass(200);
    for (let i = 0; i < 50; i++) expect(keyAtOnce(signer)).toBe(first);
    hand.pass(59);
    expect(keyAtOnce(signer)).toBe(first);
    answer();
    await settle();
    expect(hand.asked).toBe(2);
    expect(keyAtOnce(signer)).not.toBe(first);
  });

  test("ends 30 seconds early, for verifiers whose clocks are ahead", async () => {
    const { hand, signer } = inHand();
    const first = await begin(signer);
    hand.store = broken;
    hand.pass(269);
    expect(keyAtOnce(signer)).toBe(first);
    hand.pass(1);
    const pending = signer.current();
    expect(pending).toBeInstanceOf(Promise);
    await expect(pending).rejects.toMatchObject({ code: "key_store_unavailable" });
  });
});

describe("a renewal that fails", () => {
  test("is reported while the session still serves, is tried again, and reported no oftener than it is tried", async () => {
    const { hand, signer, identity } = inHand();
    const first = await begin(signer);
    hand.store = broken;
    hand.pass(180);
    for (let i = 0; i < 10; i++) {
      expect(keyAtOnce(signer)).toBe(first);
      await settle();
    }
    expect(hand.warnings).toEqual([
      {
        message: "the session key could not be renewed: The store does not answer.",
        fields: { code: "key_store_unavailable", fix: expect.any(String), secondsLeft: 90 },
      },
    ]);
    hand.pass(15);
    expect(keyAtOnce(signer)).toBe(first);
    await settle();
    expect(hand.warnings.map(({ fields }) => fields["secondsLeft"])).toEqual([90, 75]);

    hand.store = identity.sign;
    hand.pass(15);
    expect([...hand.timers].map(({ ms }) => ms)).toEqual([15_000]);
    hand.ring();
    await settle();
    expect(keyAtOnce(signer)).not.toBe(first);
    expect(hand.warnings).toHaveLength(2);
  });

  test("fails requests once the session has ended, until the store is back", async () => {
    const { hand, signer, identity } = inHand();
    await begin(signer);
    hand.store = broken;
    hand.pass(400);
    await expect(signer.current()).rejects.toMatchObject({ code: "key_store_unavailable" });
    hand.store = identity.sign;
    await expect(signer.current()).resolves.toBeDefined();
  });

  test("because the store hangs is given up and reported while the session still serves", async () => {
    const { hand, signer, identity } = inHand();
    const first = await begin(signer);
    let answer = () => {};
    hand.store = async (message) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return identity.sign(message);
    };
    hand.pass(180);
    expect(keyAtOnce(signer)).toBe(first);
    expect([...hand.timers].map(({ ms }) => ms)).toEqual([60_000]);
    hand.pass(60);
    hand.ring();
    await settle();
    expect(hand.warnings).toMatchObject([{ fields: { code: "key_store_busy", secondsLeft: 30 } }]);
    expect(keyAtOnce(signer)).toBe(first);

    answer(); // too late: its key was forgotten
    await settle();
    expect(keyAtOnce(signer)).toBe(first);
    hand.store = identity.sign;
    hand.pass(15);
    hand.ring();
    await settle();
    expect(keyAtOnce(signer)).not.toBe(first);
    await sign(await signer.current());
  });

  test("because the store hangs fails the requests that wait for it, and not the ones after", async () => {
    const { hand, signer, identity } = inHand();
    await begin(signer);
    hand.store = () => new Promise(() => {});
    hand.pass(400);
    const waiting = [signer.current(), signer.current()];
    hand.ring();
    for (const each of waiting) await expect(each).rejects.toMatchObject({ code: "key_store_busy" });
    hand.store = identity.sign;
    await expect(signer.current()).resolves.toBeDefined();
  });

  test("is not what a first session is that waits for a person", async () => {
    const { hand, signer } = inHand();
    hand.store = () => new Promise(() => {});
    void Promise.resolve(signer.current()).catch(() => {});
    expect(hand.timers.size).toBe(0);
  });

  test("that begins the first session is the request's to report", async () => {
    const { hand, signer } = inHand();
    hand.store = broken;
    await expect(signer.current()).rejects.toMatchObject({ code: "key_store_unavailable" });
    expect(hand.warnings).toEqual([]);
  });
});

describe("a wall clock that is set", () => {
  test.each([
    ["back a little", -20, "at once, and renewed behind"],
    ["back an hour", -3600, "after a new delegation"],
    ["forward a little", 60, "at once"],
    ["forward to where renewal is due", 200, "at once, and renewed behind"],
    ["forward an hour", 3600, "after a new delegation"],
  ])("%s: the next request is signed %s", async (_, seconds, expected) => {
    const { hand, signer } = inHand();
    const first = await begin(signer);
    hand.wall += seconds * 1000;
    const current = signer.current();
    const waits = current instanceof Promise;
    const { key, delegation: text } = await current;
    await settle();
    const how = waits ? "after a new delegation" : hand.asked > 1 ? "at once, and renewed behind" : "at once";
    expect(how).toBe(expected);
    expect(key === first).toBe(!waits);
    // Whoever's clock shows what ours shows now, give or take the skew of 30 s, finds it valid.
    const delegation = readDelegation(text as string);
    if ("code" in delegation) throw new Error(delegation.detail);
    expect(delegation.issuedAt).toBeLessThanOrEqual(hand.wall / 1000 + 30);
    expect(delegation.expiresAt).toBeGreaterThan(hand.wall / 1000 + 29);
  });

  test("back again and again does not keep a session alive", async () => {
    const { hand, signer } = inHand();
    await begin(signer);
    hand.store = broken;
    for (let i = 0; i < 27; i++) {
      hand.pass(10);
      hand.wall -= 10_000;
    }
    await expect(signer.current()).rejects.toMatchObject({ code: "key_store_unavailable" });
  });

  test("while the store signs, costs another signature and no refusal", async () => {
    const { hand, signer, identity } = inHand();
    hand.store = async (message) => {
      if (hand.asked === 1) hand.wall -= 3_600_000;
      return identity.sign(message);
    };
    const { delegation } = await signer.current();
    expect(readDelegation(delegation as string)).toMatchObject({ issuedAt: hand.wall / 1000 });
  });
});

describe("close", () => {
  test("stops the timer and forgets the key", async () => {
    const { hand, signer } = inHand();
    const session = await signer.current();
    signer.close();
    expect(hand.timers.size).toBe(0);
    await expect(sign(session)).rejects.toThrow(TypeError);
    await expect(signer.current()).rejects.toThrow(TypeError);
  });

  test("while the store signs leaves nothing behind", async () => {
    const { hand, signer } = inHand();
    hand.store = () => new Promise(() => {});
    const pending = signer.current();
    signer.close();
    await expect(pending).rejects.toThrow(TypeError);
    expect(hand.timers.size).toBe(0);
    expect(hand.warnings).toEqual([]);
  });
});
