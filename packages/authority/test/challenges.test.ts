import { PrivateKey, signableChallenge, toBase64Url } from "@authmesh/core";
import type { ChallengePurpose } from "@authmesh/core/enrollment";
import fc from "fast-check";
import { Hono } from "hono";
import { beforeEach, describe, expect, it } from "vitest";
import { Challenges } from "../src/challenges/challenges.js";
import { dialledOrigin, type OriginOptions } from "../src/http/dialled-origin.js";
import { KeySealing } from "../src/keys/key-sealing.js";
import { RunningAuthority } from "./running-authority.js";
import { backends, openStore } from "./stores.js";

const origin = "https://issuer.example.com";
const sealing = new KeySealing(new Uint8Array(32).fill(1));
const key = PrivateKey.generate();
const { deviceId: device, base64: publicKey } = key.publicKey;

function answerTo(
  challenge: string,
  { purpose = "wait" as ChallengePurpose, at = origin, counter = 1, by = key } = {},
) {
  const signed = signableChallenge({ origin: at, purpose, deviceId: device, challenge, counter });
  return { device, challenge, counter, signature: toBase64Url(by.sign(signed)) };
}

describe.each(backends())("challenges over $name", ({ place }) => {
  let now = 1_800_000_000_000;
  let one: Challenges;
  let other: Challenges;
  const refused = { code: "challenge_refused" };

  beforeEach(async () => {
    const where = await place();
    const options = { key: sealing.derive("challenges"), now: () => now };
    one = new Challenges({ ...options, store: await openStore(where) });
    other = new Challenges({ ...options, store: await openStore(where) });
  });

  it("take an answer once, whichever replica it comes to", async () => {
    const answer = answerTo(one.issue("wait", device));
    await other.accept("wait", answer, { origin, publicKey });
    await expect(one.accept("wait", answer, { origin, publicKey })).rejects.toMatchObject(refused);
  });

  it("take one of many that come at once", async () => {
    const answer = answerTo(one.issue("wait", device));
    const all = [one, other, one, other].map((each) => each.accept("wait", answer, { origin, publicKey }));
    const taken = (await Promise.allSettled(all)).filter(({ status }) => status === "fulfilled");
    expect(taken).toHaveLength(1);
  });

  it("are used up by a wrong answer", async () => {
    const challenge = one.issue("wait", device);
    const wrong = answerTo(challenge, { by: PrivateKey.generate() });
    await expect(one.accept("wait", wrong, { origin, publicKey })).rejects.toMatchObject(refused);
    await expect(one.accept("wait", answerTo(challenge), { origin, publicKey })).rejects.toMatchObject(
      refused,
    );
  });

  it("are good for less than 60 seconds, also by the clock of another replica", async () => {
    const [late, intime] = [one.issue("wait", device), one.issue("wait", device)];
    now += 59_999;
    await other.accept("wait", answerTo(intime), { origin, publicKey });
    now += 1;
    await expect(one.accept("wait", answerTo(late), { origin, publicKey })).rejects.toMatchObject(refused);
  });

  it("serve one purpose, one device, one origin and one counter, and refuse alike", async () => {
    const fresh = (purpose: ChallengePurpose = "wait") => one.issue(purpose, device);
    const by = PrivateKey.generate();
    const others = [
      () => one.accept("cancel", answerTo(fresh(), { purpose: "cancel" }), { origin, publicKey }),
      () => one.accept("wait", answerTo(fresh(), { purpose: "cancel" }), { origin, publicKey }),
      () => one.accept("wait", answerTo(fresh("cancel")), { origin, publicKey }),
      () => one.accept("wait", answerTo(fresh(), { at: "https://evil.example.com" }), { origin, publicKey }),
      () => one.accept("wait", { ...answerTo(fresh()), counter: 2 }, { origin, publicKey }),
      () => one.accept("wait", answerTo(fresh()), { origin: undefined, publicKey }),
      () => one.accept("wait", answerTo(fresh(), { at: "" }), { origin: undefined, publicKey }),
      () => one.accept("wait", answerTo(fresh()), { origin, publicKey: undefined }),
      () => one.accept("wait", answerTo(fresh(), { by }), { origin, publicKey: by.publicKey.base64 }),
      () => one.accept("wait", { ...answerTo(fresh()), challenge: "A".repeat(64) }, { origin, publicKey }),
    ];
    for (const attempt of others)
      await expect(attempt()).rejects.toThrow(
        /^The authority does not accept the answer to its challenge\.$/,
      );
  });

  it("refuse what the key of nobody signed, which everybody has", async () => {
    const nobody = PrivateKey.fromBytes(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 1 : 0)));
    const { deviceId } = nobody.publicKey;
    const challenge = one.issue("wait", deviceId);
    const signed = signableChallenge({ origin, purpose: "wait", deviceId, challenge, counter: 1 });
    const answer = { device: deviceId, challenge, counter: 1, signature: toBase64Url(nobody.sign(signed)) };
    await expect(one.accept("wait", answer, { origin, publicKey: undefined })).rejects.toMatchObject(refused);
  });

  it("are made by nobody else, whatever the text", async () => {
    const made = fc.uint8Array({ minLength: 48, maxLength: 48 }).map(toBase64Url);
    await fc.assert(
      fc.asyncProperty(fc.oneof(made, fc.string({ unit: "binary" })), async (text) => {
        expect(await one.use("wait", device, text)).toBe(false);
      }),
    );
  });
});

describe("the origin that was dialled", () => {
  const options = {
    issuer: "https://issuer.example.com",
    audience: ["issuer.example.com", "other.example.com:8443", "127.0.0.1:4000"],
    tls: false,
    trustProxy: false,
  };
  const of = async (given: Partial<OriginOptions>, host: string, headers = {}) => {
    const dialled = dialledOrigin({ ...options, ...given });
    const app = new Hono().get("/", (context) => context.text(dialled(context) ?? "none"));
    return (await app.request(`http://${host}/`, { headers })).text();
  };

  it("is one of the configuration's, for a host that is in there", async () => {
    expect(await of({}, "issuer.example.com")).toBe("https://issuer.example.com");
    expect(await of({}, "Other.example.com.:8443")).toBe("https://other.example.com:8443");
    expect(await of({}, "127.0.0.1:4000")).toBe("http://127.0.0.1:4000");
    expect(await of({ tls: true }, "127.0.0.1:4000")).toBe("https://127.0.0.1:4000");
    expect(await of({ issuer: "http://localhost:4000" }, "localhost:4000")).toBe("http://localhost:4000");
    expect(await of({}, "evil.example.com")).toBe("none");
    expect(await of({}, "evil.example.com", { "X-Forwarded-Host": "issuer.example.com" })).toBe("none");
  });

  it("is told by a proxy in front, and is the issuer's where that tells nothing", async () => {
    const behind = { trustProxy: true };
    const forwarded = { "X-Forwarded-Host": "other.example.com:8443, evil.example.com" };
    expect(await of(behind, "10.0.0.5:4000", forwarded)).toBe("https://other.example.com:8443");
    expect(await of(behind, "10.0.0.5:4000")).toBe("https://issuer.example.com");
  });
});

describe("POST /v1/challenges", () => {
  it("answers alike for a device that is known and for one that is not", async () => {
    const running = await RunningAuthority.start();
    const known = await running.device();
    const ask = (body: unknown) =>
      fetch(`${running.url}/v1/challenges`, { method: "POST", body: JSON.stringify(body) });
    for (const asked of [known.id, device]) {
      const answer = await ask({ purpose: "authenticate", device: asked });
      expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"]);
      expect(await answer.json()).toEqual({
        challenge: expect.stringMatching(/^[\w-]{64}$/),
        expiresIn: 60,
      });
    }
    for (const wrong of [
      { purpose: "sign", device },
      { purpose: "wait", device: "am_x" },
      [],
      "x".repeat(20_000),
    ])
      expect((await ask(wrong)).status).toBe(typeof wrong === "string" ? 413 : 400);
  });
});
