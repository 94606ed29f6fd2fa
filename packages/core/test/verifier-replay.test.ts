import { describe, expect, it } from "vitest";
import { AmeshError, createVerifier, InMemoryNonceStore, isoTime, type NonceStore } from "../src/index.js";
import {
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  receive,
  send,
  stranger,
  verifierWith,
  withHeaders,
} from "./verification-fixture.js";

const count = (outcomes: readonly string[], what: string) => outcomes.filter((each) => each === what).length;

describe("a request presented a hundred times at once", () => {
  it("is accepted exactly once", async () => {
    const verify = verifierWith();
    const wire = await send();
    const outcomes = await Promise.all(Array.from({ length: 100 }, async () => outcome(await verify(wire))));
    expect(count(outcomes, "allowed")).toBe(1);
    expect(count(outcomes, "replay_detected")).toBe(99);
  });

  it("is accepted every time by a store that remembers nothing: it is the nonce that refuses", async () => {
    const verify = verifierWith({ nonces: { checkAndRecord: async () => true } });
    const wire = await send();
    const outcomes = await Promise.all(Array.from({ length: 10 }, async () => outcome(await verify(wire))));
    expect(count(outcomes, "allowed")).toBe(10);
  });

  it("is accepted once by verifiers that share a store", async () => {
    const nonces = new InMemoryNonceStore();
    const wire = await send();
    const verifiers = [verifierWith({ nonces }), verifierWith({ nonces })];
    const outcomes = await Promise.all(verifiers.map(async (verify) => outcome(await verify(wire))));
    expect(count(outcomes, "allowed")).toBe(1);
  });
});

describe("a nonce", () => {
  it("is not burnt by a request whose signature does not fit", async () => {
    const verify = verifierWith();
    const wire = await send();
    expect(outcome(await verify({ ...wire, method: "PUT" }))).toBe("signature_invalid");
    expect(outcome(await verify(wire))).toBe("allowed");
    expect(outcome(await verify(wire))).toBe("replay_detected");
  });

  it("is used up by a replay with high s, which is another signature of the same request", async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const verify = verifierWith();
    const wire = await send();
    const authorization = wire.headers["authorization"]?.[0] as string;
    const signature = Buffer.from(authorization.slice(-87, -1), "base64url");
    const high = order - BigInt(`0x${signature.toString("hex", 32)}`);
    const twin = Buffer.concat([
      signature.subarray(0, 32),
      Buffer.from(high.toString(16).padStart(64, "0"), "hex"),
    ]).toString("base64url");
    const replayed = withHeaders(wire, {
      authorization: [authorization.replace(signature.toString("base64url"), twin)],
    });
    expect(replayed).not.toEqual(wire);
    expect(outcome(await verify(wire))).toBe("allowed");
    expect(outcome(await verify(replayed))).toBe("replay_detected");
  });

  it("is remembered for its device: another device may draw the same", async () => {
    const asked: [string, number][] = [];
    const nonces: NonceStore = {
      checkAndRecord: async (nonce, windowSeconds) => {
        asked.push([nonce, windowSeconds]);
        return true;
      },
    };
    const trust = new DevicesInMemory(laptop.entry(), stranger.entry());
    const verify = verifierWith({ trust, nonces });
    await verify(await send());
    await verify(await send({ device: stranger }));
    const owners = asked.map(([nonce]) => nonce.slice(0, nonce.lastIndexOf(":")));
    expect(owners).toEqual([`am:${laptop.publicKey.deviceId}`, `am:${stranger.publicKey.deviceId}`]);
    expect(asked.every(([nonce]) => /^[A-Za-z0-9_-]{22}$/.test(nonce.split(":")[2] as string))).toBe(true);
  });

  it.each([
    [{}, 71],
    [{ clockSkewSeconds: 300 }, 611],
    [{ clockSkewSeconds: 0 }, 60],
    [{ clockSkewSeconds: 0, nonceWindowSeconds: 0 }, 11],
    [{ nonceWindowSeconds: 600 }, 600],
  ])("is kept, with %j, for %i s", async (options, expected) => {
    const windows: number[] = [];
    const nonces: NonceStore = {
      checkAndRecord: async (_, windowSeconds) => {
        windows.push(windowSeconds);
        return true;
      },
    };
    await verifierWith({ ...options, nonces })(await send());
    expect(windows).toEqual([expected]);
  });

  it("is kept as long as its timestamp can be acceptable, wherever the clock stood", async () => {
    for (const ahead of [0, 30]) {
      const clock = { seconds: noon };
      const now = () => clock.seconds * 1000;
      const nonces = new InMemoryNonceStore({ now, monotonic: now });
      const verify = verifierWith({ now, nonces });
      const wire = await send({ at: noon + ahead });
      expect(outcome(await verify(wire))).toBe("allowed");
      for (; clock.seconds <= noon + 120; clock.seconds++) {
        expect(["replay_detected", "clock_skew"]).toContain(outcome(await verify(wire)));
      }
    }
  });

  it("may pass a second verifier in one server with the same request, and not with another", async () => {
    const verify = createVerifier({
      trust: new DevicesInMemory(laptop.entry()),
      nonces: new InMemoryNonceStore(),
      now: () => noon * 1000,
    });
    const wire = await send();
    const request = receive(wire);
    expect(outcome(await verify(request))).toBe("allowed");
    expect(outcome(await verify(request))).toBe("allowed");
    expect(outcome(await verify(receive(wire)))).toBe("replay_detected");
  });
});

describe("the replay epoch", () => {
  it("refuses what was stamped in the second in which the store was made, or before", async () => {
    const nonces = new InMemoryNonceStore({ replayEpoch: true, now: () => noon * 1000 });
    const verify = verifierWith({ nonces });
    expect(outcome(await verify(await send({ at: noon - 1 })))).toBe("replay_epoch");
    expect(outcome(await verify(await send({ at: noon })))).toBe("replay_epoch");
    expect(outcome(await verify(await send({ at: noon + 1 })))).toBe("allowed");
  });
});

describe("a shared store that forgot", () => {
  it("refuses what may have been accepted before, with the time after which a new request may come", async () => {
    const verify = verifierWith({ nonces: { checkAndRecord: async () => true, forgotAt: noon - 35 } });
    const refused = await verify(await send({ at: noon + 5 }));
    expect(refused).toMatchObject({
      failure: {
        status: 503,
        code: "replay_store_unavailable",
        retryAfterSeconds: 6,
        detail: `The nonce store lost its memory at ${isoTime(noon - 35)}; what is stamped up to ${isoTime(noon + 5)} may have been accepted before.`,
      },
    });
    expect(outcome(await verify(await send({ at: noon + 6 })))).toBe("allowed");
  });

  it("is heard also when it finds that out by this very question", async () => {
    const nonces: NonceStore & { forgotAt?: number } = {
      async checkAndRecord() {
        this.forgotAt = noon;
        return true;
      },
    };
    expect(outcome(await verifierWith({ nonces })(await send()))).toBe("replay_store_unavailable");
  });

  it("and by refusing this very question: the caller hears when to come again", async () => {
    const nonces: NonceStore & { forgotAt?: number } = {
      async checkAndRecord() {
        this.forgotAt = noon;
        throw new AmeshError("replay_store_unavailable");
      },
    };
    expect(await verifierWith({ nonces })(await send())).toMatchObject({
      failure: { status: 503, code: "replay_store_unavailable", retryAfterSeconds: 41 },
    });
  });
});
