import { describe, expect, it } from "vitest";
import { toBase64Url } from "../src/encoding.js";
import { InMemoryNonceStore, type PublicKey, SessionKey, type VerifierOptions } from "../src/index.js";
import {
  changed,
  type DelegatedCall,
  delegate,
  proven,
  resign,
  sendDelegated,
} from "./delegation-fixture.js";
import {
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  send,
  stranger,
  verifierWith,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

const delegationOf = (wire: Wire) => wire.headers["authmesh-delegation"]?.[0] as string;
const withDelegation = (wire: Wire, ...values: string[]) =>
  withHeaders(wire, { "authmesh-delegation": values });
/** The verdict on a delegated request whose delegation is replaced by another. */
const verdictWith =
  (call: DelegatedCall, change: (text: string, session: SessionKey) => Promise<string>) => async () => {
    const session = SessionKey.generate();
    const wire = await sendDelegated({ ...call, session });
    return withDelegation(wire, await change(delegationOf(wire), session));
  };
const header = (change: Record<string, string>) => (text: string) =>
  changed(text, { header: (h) => ({ ...h, ...change }) });

describe("a request that a session key signed", () => {
  it("is the device's own: id, name, scopes, expiry", async () => {
    const trust = new DevicesInMemory(laptop.entry({ scopes: { orders: "rw" }, expiresAt: noon + 60 }));
    const decision = await verifierWith({ trust, scope: "orders:w" })(await sendDelegated());
    expect(decision).toMatchObject({
      allowed: true,
      caller: { id: laptop.publicKey.deviceId, name: "Dev Laptop", expiresAt: noon + 60 },
    });
  });

  it.each<[string, DelegatedCall, number]>([
    ["in the delegation's last second", { delegatedAt: noon - 299 }, noon],
    ["of a device whose clock is ahead by the skew", { delegatedAt: noon + 30, at: noon + 30 }, noon],
    ["for one of several hosts", { audience: ["other.example", "api.example.com"] }, noon],
    ["with a life of one second", { lifetimeSeconds: 1 }, noon],
  ])("is allowed %s", async (_, call, now) => {
    const verify = verifierWith({ now: () => now * 1000 });
    expect(outcome(await verify(await sendDelegated(call)))).toBe("allowed");
  });

  it("is allowed when the delegation's aud is in the sealed audience", async () => {
    const trust = new DevicesInMemory(laptop.entry());
    trust.audience = ["api.example.com"];
    const wire = await sendDelegated({ audience: ["api.example.com"] });
    expect(outcome(await verifierWith({ trust, audience: undefined })(wire))).toBe("allowed");
  });

  it("with id in base64url is the same", async () => {
    const wire = await sendDelegated();
    const authorization = String(wire.headers["authorization"]).replace(/id="[^"]+"/, (id) =>
      id.replaceAll("+", "-").replaceAll("/", "_"),
    );
    expect(outcome(await verifierWith()(withHeaders(wire, { authorization: [authorization] })))).toBe(
      "allowed",
    );
  });
});

describe("a delegation is refused", () => {
  const expired = laptop.entry({ expiresAt: noon });
  const revoked = new DevicesInMemory();
  revoked.revoked.add(laptop.publicKey.deviceId);

  it.each<[string, string, string, () => Promise<Wire>, Partial<VerifierOptions>?]>([
    ["of a foreign typ", "delegation_invalid", "delegation form", verdictWith({}, header({ typ: "JWT" }))],
    ["with alg none", "delegation_invalid", "delegation form", verdictWith({}, header({ alg: "none" }))],
    [
      "with a kid that is not the device it names",
      "delegation_invalid",
      "delegation form",
      verdictWith({}, header({ kid: stranger.publicKey.deviceId })),
    ],
    [
      "that names the device twice",
      "delegation_invalid",
      "delegation form",
      verdictWith({}, (text) =>
        resign(
          atob(text.split(".")[0] as string),
          Buffer.from(text.split(".")[1] as string, "base64url")
            .toString()
            .replace("{", `{"sub":"${laptop.publicKey.deviceId}",`),
        ),
      ),
    ],
    [
      "that lives 301 seconds",
      "delegation_invalid",
      "delegation form",
      verdictWith({}, (text, session) =>
        changed(text, { payload: (p) => proven({ ...p, exp: noon + 301 }, session) }),
      ),
    ],
    [
      "longer than 2 KiB",
      "delegation_invalid",
      "delegation form",
      verdictWith({}, async (text) => text + "A".repeat(2049 - text.length)),
    ],
    ["that is empty", "delegation_invalid", "delegation form", verdictWith({}, async () => "")],
    [
      "beside another one",
      "malformed_header",
      "delegation form",
      async () => {
        const wire = await sendDelegated();
        return withDelegation(wire, delegationOf(wire), delegationOf(wire));
      },
    ],
    ["by a device nobody knows", "device_unknown", "device", () => sendDelegated({ by: stranger })],
    [
      "by a target",
      "role_not_controller",
      "device",
      () => sendDelegated(),
      { trust: new DevicesInMemory(laptop.entry({ role: "target" })) },
    ],
    [
      "by a pending device",
      "device_unknown",
      "device",
      () => sendDelegated(),
      { trust: new DevicesInMemory(laptop.entry({ status: "pending" })) },
    ],
    ["by a revoked device", "device_revoked", "device", () => sendDelegated(), { trust: revoked }],
    [
      "by a device whose entry expired",
      "entry_expired",
      "entry",
      () => sendDelegated(),
      { trust: new DevicesInMemory(expired) },
    ],
    [
      "that begins after the skew",
      "delegation_invalid",
      "delegation",
      () => sendDelegated({ delegatedAt: noon + 31 }),
    ],
    ["that has ended", "delegation_invalid", "delegation", () => sendDelegated({ delegatedAt: noon - 300 })],
    [
      "for another audience",
      "delegation_invalid",
      "delegation",
      () => sendDelegated({ audience: ["other.example"] }),
    ],
    [
      "for an audience, where the server has none and Host claims one",
      "delegation_invalid",
      "delegation",
      () => sendDelegated({ audience: ["api.example.com"] }),
      { audience: undefined },
    ],
    [
      "signed by another trusted device that claims the id",
      "delegation_invalid",
      "delegation",
      () => verdictWith({}, (text) => changed(text, { by: stranger }))(),
      { trust: new DevicesInMemory(laptop.entry(), stranger.entry()) },
    ],
    [
      "without the session key's consent: another trusted device claims the key",
      "delegation_invalid",
      "delegation",
      verdictWith({}, (text) => {
        const deviceId = stranger.publicKey.deviceId;
        return changed(text, {
          header: (h) => ({ ...h, kid: deviceId }),
          payload: (p) => ({ ...p, iss: deviceId, sub: deviceId }),
          by: stranger,
        });
      }),
      { trust: new DevicesInMemory(laptop.entry(), stranger.entry()) },
    ],
    [
      "whose consent was given for another end",
      "delegation_invalid",
      "delegation",
      verdictWith({}, (text) => changed(text, { payload: (p) => ({ ...p, exp: noon + 299 }) })),
    ],
    [
      "whose consent was given for another jti",
      "delegation_invalid",
      "delegation",
      verdictWith({}, (text) => changed(text, { payload: (p) => ({ ...p, jti: "x".repeat(22) }) })),
    ],
    [
      "whose consent is another key's",
      "delegation_invalid",
      "delegation",
      verdictWith({}, (text) => changed(text, { payload: (p) => proven(p, SessionKey.generate()) })),
    ],
    [
      "for another session key than the request's",
      "delegation_invalid",
      "delegation",
      verdictWith({}, () => delegate()),
    ],
    [
      "whose signature was changed",
      "delegation_invalid",
      "delegation",
      verdictWith(
        {},
        async (text) => `${text.slice(0, text.lastIndexOf("."))}.${toBase64Url(new Uint8Array(64).fill(7))}`,
      ),
    ],
  ])("%s: %s", async (_, code, step, wire, options = {}) => {
    const decision = await verifierWith(options)(await wire());
    expect(decision).toMatchObject({ allowed: false, failure: { code }, step });
  });

  it("when a session key signs one in its turn", async () => {
    const session = SessionKey.generate();
    const text = await delegate();
    const id = session.publicKey.deviceId;
    const wire = await sendDelegated();
    const chained = await changed(text, {
      header: (h) => ({ ...h, kid: id }),
      payload: (p) => ({ ...p, iss: id, sub: id }),
    });
    expect(outcome(await verifierWith()(withDelegation(wire, chained)))).toBe("device_unknown");
  });

  it("when it comes with the device's own proof, which needs none", async () => {
    const wire = withDelegation(await send(), await delegate());
    expect(outcome(await verifierWith()(wire))).toBe("delegation_invalid");
  });

  it("and tells the caller no reason", async () => {
    const decision = await verifierWith()(await sendDelegated({ delegatedAt: noon - 300 }));
    expect(decision).toMatchObject({ failure: { status: 401, public: "unauthorized" } });
  });

  it("after a session key's request was changed on its way", async () => {
    const wire = await sendDelegated();
    expect(outcome(await verifierWith()({ ...wire, method: "PUT" }))).toBe("signature_invalid");
  });
});

describe("a delegation that was checked before", () => {
  async function second(change: (trust: DevicesInMemory, clock: { now: number }) => void, call = {}) {
    const trust = new DevicesInMemory(laptop.entry());
    const clock = { now: noon };
    const verify = verifierWith({ trust, now: () => clock.now * 1000 });
    const session = SessionKey.generate();
    const delegation = await delegate({ session });
    expect(outcome(await verify(await sendDelegated({ session, delegation })))).toBe("allowed");
    change(trust, clock);
    return outcome(await verify(await sendDelegated({ session, delegation, at: clock.now, ...call })));
  }

  it.each<[string, string, Parameters<typeof second>[0]]>([
    ["the device was revoked", "device_revoked", (trust) => trust.revoked.add(laptop.publicKey.deviceId)],
    ["the device was removed", "device_unknown", (trust) => trust.entries.pop()],
    [
      "its role was taken",
      "role_not_controller",
      (trust) => (trust.entries = [laptop.entry({ role: "target" })]),
    ],
    ["its entry expired", "entry_expired", (trust) => (trust.entries = [laptop.entry({ expiresAt: noon })])],
    ["the delegation ended", "delegation_invalid", (_, clock) => (clock.now += 300)],
    ["nothing changed", "allowed", () => {}],
  ])("when %s, the very next request is answered with %s", async (_, expected, change) => {
    expect(await second(change)).toBe(expected);
  });

  it("does not help a request of another key", async () => {
    const other = SessionKey.generate();
    expect(await second(() => {}, { session: other })).toBe("delegation_invalid");
  });

  it("is not checked again", async () => {
    let asked = 0;
    const entry = laptop.entry();
    const verifyCounting: PublicKey["verify"] = (message, signature) => {
      asked++;
      return entry.publicKey.verify(message, signature);
    };
    const counting = Object.create(entry.publicKey, { verify: { value: verifyCounting } });
    const verify = verifierWith({ trust: new DevicesInMemory({ ...entry, publicKey: counting }) });
    const session = SessionKey.generate();
    const delegation = await delegate({ session });
    for (let i = 0; i < 5; i++)
      expect(outcome(await verify(await sendDelegated({ session, delegation })))).toBe("allowed");
    expect(asked).toBe(1);
  });
});

describe("while the body comes", () => {
  it.each<[string, string, (trust: DevicesInMemory, clock: { now: number }) => void]>([
    ["the device is revoked", "device_revoked", (trust) => trust.revoked.add(laptop.publicKey.deviceId)],
    ["the delegation ends", "delegation_invalid", (_, clock) => (clock.now += 1)],
    ["nothing happens", "allowed", () => {}],
  ])("and %s: %s", async (_, expected, change) => {
    const trust = new DevicesInMemory(laptop.entry());
    const clock = { now: noon };
    let arrive = () => {};
    const bodyAfter = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const wire = await sendDelegated({ delegatedAt: noon - 299 });
    const verdict = verifierWith({ trust, now: () => clock.now * 1000 })({ ...wire, bodyAfter });
    change(trust, clock);
    arrive();
    expect(outcome(await verdict)).toBe(expected);
  });
});

describe("nonces of session keys", () => {
  it("are the device's: what one session used up is used up for its others, and for the device", async () => {
    const recorded: string[] = [];
    const nonces = {
      checkAndRecord: async (nonce: string) => {
        const fresh = !recorded.includes(nonce);
        recorded.push(nonce);
        return fresh;
      },
    };
    const verify = verifierWith({ nonces });
    const random = () => new Uint8Array(8).fill(9);
    for (const expected of ["allowed", "replay_detected"])
      expect(outcome(await verify(await sendDelegated({ random })))).toBe(expected);
    expect(recorded[0]).toMatch(`am:${laptop.publicKey.deviceId}:`);
  });

  it("are good once, however often the same request comes", async () => {
    const verify = verifierWith({ nonces: new InMemoryNonceStore() });
    const wire = await sendDelegated();
    const outcomes = await Promise.all(Array.from({ length: 50 }, async () => outcome(await verify(wire))));
    expect(outcomes.filter((each) => each === "allowed")).toHaveLength(1);
    expect(outcomes.filter((each) => each === "replay_detected")).toHaveLength(49);
  });
});
