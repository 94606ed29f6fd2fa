import {
  createEd25519Signer,
  createTokenVerifier,
  InMemoryReplayCache,
  mintToken,
  staticKeys,
} from "@authmesh/oath";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";
import { openStore } from "./redis-stores.js";

const issuer = "https://issuer.example";
const audience = "https://orders.example";
const signer = createEd25519Signer(new Uint8Array(32).fill(1));
const keys = staticKeys({ [issuer]: { keys: [signer.publicJwk] } });
const beginning = 1_800_000_000;

/** A clock for everything, a way to mint, and verifiers that tell what they decided in a word. */
function scene() {
  const clock = { seconds: beginning };
  const now = () => clock.seconds * 1000;
  const mint = async (ttlSeconds = 300) => {
    const claims = { sub: "svc://billing/worker", aud: audience, act: "orders.write" };
    return (await mintToken(claims, { issuer, signer, ttlSeconds, now })).token;
  };
  const verifier = (replay: Parameters<typeof createTokenVerifier>[0]["replay"], replayScope = "") => {
    const options = { audience, trustedIssuers: [issuer], keys, policy: "none", now } as const;
    const { verify } = createTokenVerifier({ ...options, replay, replayScope });
    return async (token: string) => {
      const decision = await verify(token);
      return decision.allowed ? "allowed" : decision.failure.code;
    };
  };
  return { clock, now, mint, verifier };
}

const shared = async () => {
  const server = await RedisServer.start(onTestFinished);
  const { now, ...rest } = scene();
  const open = () => openStore({ redisUrl: server.url, now, watchMs: 60_000 }).store;
  return { server, now, open, ...rest };
};

describe("a token in Redis", () => {
  it("is accepted by one of two instances that share it, and by nobody after that, to its last second", async () => {
    const { clock, mint, verifier, open } = await shared();
    const [one, other] = [verifier(open()), verifier(open())];
    clock.seconds = beginning - 2;
    await expect.poll(() => mint().then(one)).toBe("allowed");
    clock.seconds = beginning;
    const token = await mint();
    const answers = await Promise.all([one, other, one, other].map((verify) => verify(token)));
    expect(answers.sort()).toEqual(["allowed", "replay_detected", "replay_detected", "replay_detected"]);
    for (const seconds of [1, 119, 299, 300, 301, 329]) {
      clock.seconds = beginning + seconds;
      expect(await other(token), `${seconds} s`).toBe("replay_detected");
    }
    clock.seconds = beginning + 331;
    expect(await other(token)).toBe("token_expired");
  });

  it("is kept in there for as long as it could be accepted, and ten seconds longer", async () => {
    const { server, mint, verifier, open } = await shared();
    const verify = verifier(open());
    await expect.poll(() => mint().then(verify)).toBe("allowed");
    const redis = new Redis(server.url);
    onTestFinished(async () => redis.disconnect());
    const [key = ""] = await redis.keys("am:{?}?*");
    const seconds = await redis.ttl(key);
    expect(seconds).toBeGreaterThan(300 + 30 + 10 - 5);
    expect(seconds).toBeLessThanOrEqual(300 + 30 + 11);
  });

  it("is accepted once by each scope", async () => {
    const { mint, verifier, open } = await shared();
    const store = open();
    const [gateway, service] = [verifier(store, "gateway"), verifier(store)];
    await expect.poll(() => mint().then(service)).toBe("allowed");
    const token = await mint();
    expect([await gateway(token), await service(token)]).toEqual(["allowed", "allowed"]);
    expect([await gateway(token), await service(token)]).toEqual(["replay_detected", "replay_detected"]);
  });

  it.each<[string, (server: RedisServer) => Promise<unknown>]>([
    [
      "was emptied",
      async ({ url }) => {
        const redis = new Redis(url);
        await redis.flushall();
        redis.disconnect();
      },
    ],
    ["was restarted empty", (server) => server.kill().then(() => server.start())],
  ])(
    "is refused for all of its life by everybody when the Redis %s, and new ones are let in after 40 s",
    async (_, forget) => {
      const { server, clock, mint, verifier, open } = await shared();
      const [one, other] = [verifier(open()), verifier(open())];
      clock.seconds = beginning - 2;
      await expect.poll(() => mint().then(one)).toBe("allowed");
      await expect.poll(() => mint().then(other)).toBe("allowed");
      clock.seconds = beginning;
      const token = await mint();
      expect(await one(token)).toBe("allowed");
      clock.seconds += 10;
      await forget(server);
      // By a token of its own each finds out that the Redis is back, and what it is.
      for (const verify of [one, other])
        await expect.poll(() => mint().then(verify)).toBe("replay_store_unavailable");
      const early = await mint();
      for (const seconds of [15, 50, 200, 329]) {
        clock.seconds = beginning + seconds;
        for (const verify of [one, other])
          expect(await verify(token), `${seconds} s`).toBe("replay_store_unavailable");
      }
      clock.seconds = beginning + 51;
      expect(await one(early)).toBe("replay_store_unavailable");
      await expect.poll(() => mint().then(other)).toBe("allowed");
    },
  );

  it("is accepted by no instance while Redis is away, for another one may have accepted it", async () => {
    const { server, clock, mint, verifier, open } = await shared();
    const [one, other] = [verifier(open()), verifier(open())];
    clock.seconds = beginning - 2;
    await expect.poll(() => mint().then(one)).toBe("allowed");
    clock.seconds = beginning;
    const token = await mint();
    expect(await one(token)).toBe("allowed");
    await server.kill();
    for (const verify of [one, other]) expect(await verify(token)).toBe("replay_store_unavailable");
  });
});

describe("a token in memory", () => {
  it("is accepted once, at whatever second it comes again", async () => {
    const { clock, now, mint, verifier } = scene();
    const verify = verifier(new InMemoryReplayCache({ now, monotonic: now }));
    const token = await mint(60);
    clock.seconds = beginning - 30; // the verifier's clock may be behind the issuer's
    expect(await verify(token)).toBe("allowed");
    for (clock.seconds = beginning - 29; clock.seconds < beginning + 60 + 30; clock.seconds++)
      expect(await verify(token), `${clock.seconds - beginning} s`).toBe("replay_detected");
    clock.seconds = beginning + 60 + 31;
    expect(await verify(token)).toBe("token_expired");
  });
});
