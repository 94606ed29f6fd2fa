import { describe, expect, it } from "vitest";
import { AmeshError, createVerifier, failure, InMemoryNonceStore } from "../src/index.js";
import {
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  send,
  verifierWith,
  type Wire,
} from "./verification-fixture.js";

/** Holds a request's body back until told. */
function slowly(wire: Wire): { wire: Wire; arrive: () => void } {
  let arrive = () => {};
  const bodyAfter = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return { wire: { ...wire, bodyAfter }, arrive };
}

describe("while a body is on its way", () => {
  it.each<[string, string, (trust: DevicesInMemory, clock: { seconds: number }) => void]>([
    ["nothing happens", "allowed", () => {}],
    ["the device is revoked", "device_revoked", (trust) => trust.revoked.add(laptop.publicKey.deviceId)],
    [
      "the device is revoked and its entry removed",
      "device_revoked",
      (trust) => {
        trust.revoked.add(laptop.publicKey.deviceId);
        trust.entries = [];
      },
    ],
    [
      "the device is removed",
      "device_unknown",
      (trust) => {
        trust.entries = [];
      },
    ],
    [
      "the device becomes a target",
      "role_not_controller",
      (trust) => {
        trust.entries = [laptop.entry({ role: "target" })];
      },
    ],
    [
      "the entry expires",
      "entry_expired",
      (trust, clock) => {
        trust.entries = [laptop.entry({ expiresAt: noon + 10 })];
        clock.seconds = noon + 10;
      },
    ],
    [
      "the timestamp grows too old",
      "clock_skew",
      (_, clock) => {
        clock.seconds = noon + 31;
      },
    ],
    [
      "the clock moves on within what is allowed",
      "allowed",
      (_, clock) => {
        clock.seconds = noon + 30;
      },
    ],
    [
      "the list is edited by somebody else",
      "allow_list_integrity_failure",
      (trust) => {
        trust.problem = failure("allow_list_integrity_failure");
      },
    ],
    [
      "the device's grant is taken away",
      "scope_missing",
      (trust) => {
        trust.entries = [laptop.entry()];
      },
    ],
  ])("and %s: %s", async (_, expected, happen) => {
    const trust = new DevicesInMemory(laptop.entry({ scopes: { orders: "rw" } }));
    const clock = { seconds: noon };
    const granted = expected === "scope_missing" || expected === "allowed";
    const verify = verifierWith({
      trust,
      now: () => clock.seconds * 1000,
      ...(granted ? { scope: "orders:w" } : {}),
    });
    const { wire, arrive } = slowly(await send());
    const decision = verify(wire);
    // The verifier has come as far as it can: what happens now, happens while it waits.
    await new Promise((resolve) => setImmediate(resolve));
    happen(trust, clock);
    arrive();
    expect(outcome(await decision)).toBe(expected);
  });
});

describe("bodies being awaited", () => {
  it("are limited in number, and room is made when one arrives or fails", async () => {
    const verify = verifierWith({ maxPendingBodies: 2 });
    const first = slowly(await send());
    const second = slowly({ ...(await send()), bodyFails: new AmeshError("body_incomplete") });
    const waiting = [verify(first.wire), verify(second.wire)];
    await new Promise((resolve) => setImmediate(resolve));

    const busy = await verify(await send());
    expect(busy).toMatchObject({ step: "body", failure: { code: "verifier_busy", status: 503 } });
    expect(outcome(await verify(await send({ method: "GET", body: undefined })))).toBe("allowed");

    second.arrive();
    expect(outcome(await (waiting[1] as (typeof waiting)[0]))).toBe("body_incomplete");
    expect(outcome(await verify(await send()))).toBe("allowed");

    first.arrive();
    expect(outcome(await (waiting[0] as (typeof waiting)[0]))).toBe("allowed");
  });

  it("are asked for with the verifier's limits, times in milliseconds", async () => {
    const asked: unknown[] = [];
    const wire = await send({ contentEncoding: "gzip" });
    const verify = createVerifier({
      trust: new DevicesInMemory(laptop.entry()),
      nonces: new InMemoryNonceStore(),
      maxBodyBytes: 1000,
      bodyTimeoutSeconds: 7,
      contentEncodings: ["GZIP"],
      now: () => noon * 1000,
    });
    await verify({
      method: wire.method,
      target: wire.target,
      headers: (name) => wire.headers[name] ?? [],
      hasBody: true,
      bodyHash: async (limits) => {
        asked.push(limits);
        throw new AmeshError("body_incomplete");
      },
    });
    expect(asked).toEqual([{ maxBytes: 1000, timeoutMs: 7000, contentEncodings: ["gzip"] }]);
  });
});
