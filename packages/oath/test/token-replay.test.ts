import { AmeshError, InMemoryNonceStore, type NonceStore } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { createEd25519Signer, staticKeys, type TokenVerifierOptions } from "../src/index.js";
import {
  claims,
  issuer,
  keys,
  mint,
  noon,
  outcome,
  requestWith,
  signer,
  verifierWith,
} from "./token-fixture.js";

/** Keeps what it was asked. */
class Recording implements NonceStore {
  readonly asked: [string, number][] = [];
  acceptsFrom?: number;
  forgotAt?: number;
  answer: () => Promise<boolean> = async () => true;

  checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean> {
    this.asked.push([nonce, windowSeconds]);
    return this.answer();
  }
}

describe("a used token", () => {
  it("stays refused to the last second of its leeway, when it has expired", async () => {
    let now = noon;
    const clock = () => now * 1000;
    const replay = new InMemoryNonceStore({ now: clock, monotonic: clock });
    const verifier = verifierWith({ replay, now: clock });
    const token = await mint();
    expect(outcome(await verifier.verify(token))).toBe("allowed");
    const seen = new Set<string>();
    for (; now < noon + 400; now++) seen.add(outcome(await verifier.verify(token)));
    expect([...seen]).toEqual(["13 replay_detected", "9 token_expired"]);
  });

  it("is kept until its end, plus the leeway, plus 11 s", async () => {
    const replay = new Recording();
    await verifierWith({ replay, leewaySeconds: 20 }).verify(await mint({}, { ttlSeconds: 100 }));
    expect(replay.asked).toEqual([[expect.stringMatching(/^om:[\w-]{22}:[\w-]{22}$/), 100 + 20 + 11]]);
  });

  it("is counted to its subject's share, so that one caller cannot fill the store for another", async () => {
    const verifier = verifierWith({ replay: new InMemoryNonceStore({ maxNonces: 10 }) });
    const verify = async (sub: string) => outcome(await verifier.verify(await mint({ sub })));
    for (let i = 0; i < 10; i++) expect(await verify("svc://greedy")).toBe("allowed");
    expect(await verify("svc://modest")).toBe("allowed");
    expect(await verify("svc://greedy")).toBe("13 replay_store_full");
    for (let i = 0; i < 4; i++) expect(await verify("svc://modest")).toBe("allowed");
  });

  it("is counted to its subject's share, and apart for every issuer, audience and consumer", async () => {
    const replay = new Recording();
    const other = createEd25519Signer(new Uint8Array(32).fill(8));
    const elsewhere = "https://other.example.com";
    const both = staticKeys({
      [issuer]: { keys: [signer.publicJwk] },
      [elsewhere]: { keys: [other.publicJwk] },
    });
    const options: Partial<TokenVerifierOptions> = {
      replay,
      keys: both,
      trustedIssuers: [issuer, elsewhere],
    };
    await verifierWith(options).verify(await mint());
    await verifierWith(options).verify(await mint());
    await verifierWith(options).verify(await mint({}, { issuer: elsewhere, signer: other }));
    await verifierWith({ ...options, replayScope: "gateway" }).verify(await mint());
    await verifierWith(options).verify(await mint({ sub: "svc://other" }));
    await verifierWith({ ...options, audience: "b" }).verify(await mint({ aud: "b" }));
    const owners = replay.asked.map(([name]) => name.slice(0, name.lastIndexOf(":")));
    expect(owners[0]).toBe(owners[1]);
    expect(new Set(owners).size).toBe(5);
  });

  it("passes a gateway and the service behind it, each once, where each has a scope of its own", async () => {
    const replay = new InMemoryNonceStore();
    const token = await mint();
    const verify = async (replayScope: string) =>
      outcome(await verifierWith({ replay, replayScope }).verify(token));
    expect([await verify("gateway"), await verify(""), await verify("gateway"), await verify("")]).toEqual([
      "allowed",
      "allowed",
      "13 replay_detected",
      "13 replay_detected",
    ]);
  });

  it("may pass two verifiers on its way through one server, with one request", async () => {
    const replay = new InMemoryNonceStore();
    const headers = { authorization: [`OathMesh ${await mint()}`] };
    const request = requestWith(headers);
    expect(outcome(await verifierWith({ replay }).verify(undefined, request))).toBe("allowed");
    expect(outcome(await verifierWith({ replay }).verify(undefined, request))).toBe("allowed");
    expect(outcome(await verifierWith({ replay }).verify(undefined, requestWith(headers)))).toBe(
      "13 replay_detected",
    );
  });

  it("is accepted once of a hundred at the same time", async () => {
    const verifier = verifierWith();
    const token = await mint();
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, async () => outcome(await verifier.verify(token))),
    );
    expect(outcomes.filter((one) => one === "allowed")).toHaveLength(1);
  });

  it("is accepted until it expires where that is written out, and asks no store then", async () => {
    const replay = new Recording();
    let now = noon;
    const verifier = verifierWith({ replay, tokenUse: "until-expiry", now: () => now * 1000 });
    const token = await mint();
    for (now of [noon, noon + 60, noon + 149]) expect(outcome(await verifier.verify(token))).toBe("allowed");
    now = noon + 150;
    expect(outcome(await verifier.verify(token))).toBe("9 token_expired");
    expect(replay.asked).toEqual([]);
  });
});

describe("when the replay store", () => {
  it.each<[string, unknown, string]>([
    [
      "is out, the token is refused with 503",
      new AmeshError("replay_store_unavailable"),
      "503 13 replay_store_unavailable",
    ],
    [
      "is full, the token is refused with 503",
      new AmeshError("replay_store_full"),
      "503 13 replay_store_full",
    ],
    [
      "fails in its own words, those are not told",
      new Error("redis://user:pw@host"),
      "503 13 replay_store_unavailable",
    ],
  ])("%s", async (_, error, expected) => {
    const replay = new Recording();
    replay.answer = () => Promise.reject(error);
    const decision = await verifierWith({ replay }).verify(await mint());
    if (decision.allowed) throw new Error("allowed");
    expect(`${decision.failure.status} ${outcome(decision)}`).toBe(expected);
    expect(JSON.stringify(decision)).not.toContain("pw@host");
    expect(decision.claimed?.verified).toBe(true);
  });

  it("lost its memory, tokens of before are refused until they cannot have been used", async () => {
    const replay = new Recording();
    replay.forgotAt = noon - 10;
    let now = noon;
    const verify = async () =>
      verifierWith({ replay, now: () => now * 1000 }).verify(await mint({}, { now: () => now * 1000 }));
    const refused = await verify();
    expect(outcome(refused)).toBe("13 replay_store_unavailable");
    expect(!refused.allowed && refused.failure.retryAfterSeconds).toBe(31);
    now = noon + 31;
    expect(outcome(await verify())).toBe("allowed");
  });

  it("began after the token was minted, the token is refused", async () => {
    const replay = new Recording();
    replay.acceptsFrom = noon;
    expect(outcome(await verifierWith({ replay }).verify(await mint()))).toBe("13 replay_epoch");
  });
});

describe("revocation", () => {
  const revocations = (by: "sub" | "jti" | undefined) => ({
    find: () => by && { issuer, by, value: claims.sub, reason: "stolen", actor: "am_x", at: noon },
  });

  it("refuses before the token is burnt, and tells the caller nothing of reason and actor", async () => {
    const replay = new Recording();
    const decision = await verifierWith({ replay, revocations: revocations("sub") }).verify(await mint());
    expect(outcome(decision)).toBe("13.5 revoked");
    expect(JSON.stringify(decision)).not.toMatch(/stolen|am_x/);
    expect(replay.asked).toEqual([]);
  });

  it("is asked by issuer, subject, id, key and tenant, and may answer later", async () => {
    const asked: unknown[] = [];
    const verifier = verifierWith({ revocations: { find: async (token) => void asked.push(token) } });
    const decision = await verifier.verify(await mint({ tenant: "@acme" }));
    const jti = decision.allowed && decision.caller.tokenId;
    expect(asked).toEqual([
      { iss: issuer, sub: claims.sub, jti, kid: signer.publicJwk.kid, tenant: "@acme" },
    ]);
  });

  it("that cannot be asked burns nothing", async () => {
    const replay = new Recording();
    const find = () => Promise.reject(new AmeshError("storage_failed"));
    expect(outcome(await verifierWith({ replay, revocations: { find } }).verify(await mint()))).toBe(
      "13.5 storage_failed",
    );
    expect(replay.asked).toEqual([]);
  });
});

describe("a token that is known", () => {
  /** Counts how often signatures are checked. */
  const counting = () => {
    const counted = { checks: 0, published: true };
    return {
      counted,
      keys: {
        async find(iss: string, kid: string) {
          const key = counted.published ? await keys.find(iss, kid) : undefined;
          if (key === undefined) return undefined;
          const verify = (input: Uint8Array, bytes: Uint8Array) => {
            counted.checks++;
            return key.verify(input, bytes);
          };
          return { ...key, verify };
        },
      },
    };
  };
  const again = { tokenUse: "until-expiry" } as const;

  it("has its signature checked once, and every step told of all the same", async () => {
    const { counted, keys } = counting();
    const verifier = verifierWith({ keys, ...again });
    const token = await mint();
    const [first, second] = [await verifier.verify(token), await verifier.verify(token)];
    expect([outcome(first), outcome(second), counted.checks]).toEqual(["allowed", "allowed", 1]);
    expect(second.steps).toEqual(first.steps);
  });

  it("is checked again where nothing is to be remembered", async () => {
    const { counted, keys } = counting();
    const verifier = verifierWith({ keys, maxVerifiedTokens: 0, ...again });
    const token = await mint();
    for (let i = 0; i < 3; i++) await verifier.verify(token);
    expect(counted.checks).toBe(3);
  });

  it("is refused as soon as its key is published no more, and checked anew when that comes back", async () => {
    const { counted, keys } = counting();
    const verifier = verifierWith({ keys, ...again });
    const token = await mint();
    await verifier.verify(token);
    counted.published = false;
    expect(outcome(await verifier.verify(token))).toBe("7 key_unknown");
    counted.published = true;
    expect(outcome(await verifier.verify(token))).toBe("allowed");
    expect(counted.checks).toBe(2);
  });

  it("is refused once it is revoked, or its policy changes", async () => {
    let revoked = false;
    const find = () =>
      revoked ? { issuer, by: "sub" as const, value: "", reason: "", actor: "", at: noon } : undefined;
    const verifier = verifierWith({ revocations: { find }, ...again });
    const token = await mint();
    expect(outcome(await verifier.verify(token))).toBe("allowed");
    revoked = true;
    expect(outcome(await verifier.verify(token))).toBe("13.5 revoked");
  });

  it("leaves when newer ones need its place, the one used longest ago first", async () => {
    const { counted, keys } = counting();
    const verifier = verifierWith({ keys, maxVerifiedTokens: 2, ...again });
    const [a = "", b = "", c = ""] = [await mint(), await mint(), await mint()];
    for (const token of [a, b, a, c]) await verifier.verify(token);
    expect(counted.checks).toBe(3);
    await verifier.verify(a);
    expect(counted.checks).toBe(3);
    await verifier.verify(b);
    expect(counted.checks).toBe(4);
  });
});
