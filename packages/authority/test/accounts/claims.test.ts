import { generateKeyPairSync, sign } from "node:crypto";
import { PrivateKey, randomBytes, signableChallenge, toBase64Url, utf8 } from "@authmesh/core";
import {
  type AccountClaim,
  accountSecretKey,
  type ChallengePurpose,
  newAccountSecret,
  newRecoveryCode,
  recoveryDigest,
  signableClaimOf,
} from "@authmesh/core/enrollment";
import { readToken } from "@authmesh/oath";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Account, refusal } from "../enrollment/account.js";
import { Device, RunningAuthority } from "../running-authority.js";

let running: RunningAuthority;
beforeAll(async () => {
  running = await start();
});

/** Limits of rate and clocks are of one authority: tests that strain them take one of their own. */
const start = (clock = { ahead: 0 }) =>
  RunningAuthority.start({ now: () => Date.now() + clock.ahead }, afterAll);

const post = (path: string, body: unknown, to = running) =>
  fetch(`${to.url}${path}`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });

async function challengeFor(device: string, purpose: ChallengePurpose, to = running): Promise<string> {
  return (await (await post("/v1/challenges", { purpose, device }, to)).json()).challenge;
}

let drawn = 0;
async function newAccount(to = running) {
  const created = await to.authority.state.enrollments.createAccount(`@claimed-${drawn++}`);
  if (created === undefined) throw new TypeError("there is such an account");
  return created;
}

interface Claiming {
  readonly account: string;
  readonly key?: PrivateKey;
  readonly recovery?: readonly string[];
  readonly deviceName?: string;
  readonly to?: RunningAuthority;
  /** In the place of the right ones. */
  readonly origin?: string;
  readonly challenge?: string;
}

async function claimed(by: "onboard" | "recover", given: Claiming) {
  const { account, key = PrivateKey.generate(), recovery = [], deviceName = "laptop", to = running } = given;
  const { publicKey } = key;
  const details = { appName: "admin", deviceName, recovery: [...recovery] };
  const challenge = given.challenge ?? (await challengeFor(publicKey.deviceId, by, to));
  const origin = given.origin ?? to.url;
  const claim: AccountClaim = { origin, account, challenge, publicKey: publicKey.bytes, details };
  const signed = signableClaimOf(by, claim);
  const body = { account, publicKey: publicKey.base64, challenge, details };
  return { body, signed, signature: toBase64Url(key.sign(signed)) };
}

async function onboarding(secret: string, given: Claiming) {
  const { body, signed, signature } = await claimed("onboard", given);
  return { ...body, s1: toBase64Url(accountSecretKey(secret, given.account).sign(signed)), s2: signature };
}

async function recovery(code: string, given: Claiming) {
  const { body, signature } = await claimed("recover", given);
  return { ...body, code, signature };
}

describe("POST /v1/onboarding", () => {
  it("makes the machine that has the secret the account's first root", async () => {
    const { account, secret } = await newAccount();
    const key = PrivateKey.generate();
    const answer = await post("/v1/onboarding", await onboarding(secret, { account, key }));
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([201, "no-store"]);
    expect((await answer.json()).enrollment).toMatchObject({
      id: expect.stringMatching(/^en_[\w-]{16}$/),
      account,
      appName: "admin",
      deviceName: "laptop",
      deviceId: key.publicKey.deviceId,
      publicKey: key.publicKey.base64,
      status: "approved",
      scopes: { "*": "rw", __manage: "rw" },
      address: "127.0.0.1",
    });
    expect(running.events.map(({ type }) => type)).toContain("dev.authmesh.account.onboarded");
    expect(JSON.stringify(running.events)).not.toContain(secret);
  });

  it("gives who lost the answer the same enrollment, with the new recovery codes, and any other key nothing", async () => {
    const { account, secret } = await newAccount();
    const key = PrivateKey.generate();
    const [older, newer] = [newRecoveryCode(randomBytes), newRecoveryCode(randomBytes)];
    const ids = [];
    for (const code of [older, newer]) {
      const body = await onboarding(secret, { account, key, recovery: [recoveryDigest(code)] });
      ids.push((await (await post("/v1/onboarding", body)).json()).enrollment.id);
    }
    expect(ids[0]).toBe(ids[1]);
    const another = await onboarding(secret, { account });
    expect(await refusal(post("/v1/onboarding", another))).toEqual([401, "onboarding_refused"]);
    const lost = await recovery(older, { account, deviceName: "second" });
    expect(await refusal(post("/v1/recovery", lost))).toEqual([401, "recovery_refused"]);
    const good = await recovery(newer, { account, deviceName: "second" });
    expect((await post("/v1/recovery", good)).status).toBe(201);
  });

  it("is refused alike for whatever is wrong, and the secret stays good", async () => {
    const to = await start();
    const { account, secret } = await newAccount(to);
    const given = { account, to };
    const right = await onboarding(secret, given);
    const other = await onboarding(newAccountSecret(randomBytes), given);
    const foreign = PrivateKey.generate();
    const key = PrivateKey.generate();
    const { deviceId } = key.publicKey;
    const wrong = [
      other,
      { ...right, s2: other.s2 },
      { ...right, s1: right.s2 },
      { ...(await onboarding(secret, given)), details: { ...right.details, deviceName: "other" } },
      { ...(await onboarding(secret, given)), publicKey: foreign.publicKey.base64 },
      await onboarding(secret, { ...given, origin: "https://issuer.example.com" }),
      await onboarding(secret, { ...given, key, challenge: await challengeFor(deviceId, "recover", to) }),
      await onboarding(secret, { ...given, challenge: "A".repeat(64) }),
    ];
    const answers = new Set<string>();
    for (const body of wrong) {
      const answer = await post("/v1/onboarding", body, to);
      answers.add(`${answer.status} ${await answer.text()}`);
    }
    expect([...answers]).toEqual([expect.stringContaining("onboarding_refused")]);
    expect((await post("/v1/onboarding", await onboarding(secret, given), to)).status).toBe(201);
  });

  it("is limited to so many wrong proofs of an address, before they are looked at, and right ones do not count", async () => {
    const to = await start();
    const { account, secret } = await newAccount(to);
    const key = PrivateKey.generate();
    for (let i = 0; i < 12; i++)
      expect((await post("/v1/onboarding", await onboarding(secret, { account, key, to }), to)).status).toBe(
        201,
      );
    const unknown = await onboarding(secret, { account: "@nobody", to });
    const statuses = await Promise.all(
      Array.from({ length: 15 }, async () => (await post("/v1/onboarding", unknown, to)).status),
    );
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    const late = await post("/v1/onboarding", await onboarding(secret, { account, key, to }), to);
    expect([late.status, Number(late.headers.get("retry-after")) > 0]).toEqual([429, true]);
  });

  it("takes the secret for seven days", async () => {
    const clock = { ahead: 0 };
    const to = await start(clock);
    const { account, secret } = await newAccount(to);
    clock.ahead = 7 * 86_400_000;
    const late = await onboarding(secret, { account, to });
    expect(await refusal(post("/v1/onboarding", late, to))).toEqual([401, "onboarding_refused"]);
    clock.ahead -= 1000;
    expect((await post("/v1/onboarding", await onboarding(secret, { account, to }), to)).status).toBe(201);
  });

  it("answers whatever the body with an error of the catalogue", async () => {
    const { account, secret } = await newAccount();
    const right: Record<string, unknown> = await onboarding(secret, { account });
    const bodies = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc
        .tuple(fc.constantFrom(...Object.keys(right)), fc.jsonValue({ maxDepth: 2 }))
        .map(([name, value]) => JSON.stringify({ ...right, [name]: value })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("onboarding", "recovery", "authentication"),
        bodies,
        async (path, body) => {
          const answer = await running.authority.app.request(
            `${running.url}/v1/${path}`,
            { method: "POST", body },
            {
              incoming: { socket: { remoteAddress: "192.0.2.7" } },
            },
          );
          expect([400, 401, 429]).toContain(answer.status);
          expect((await answer.json()).error).toMatch(/^[a-z_]+$/);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("POST /v1/recovery", () => {
  it("makes another root by a code, however it is typed, once", async () => {
    const { account, secret } = await newAccount();
    const codes = [newRecoveryCode(randomBytes), newRecoveryCode(randomBytes)];
    const [first = ""] = codes;
    const body = await onboarding(secret, { account, recovery: codes.map(recoveryDigest) });
    expect((await post("/v1/onboarding", body)).status).toBe(201);
    const typed = first.toLowerCase().replaceAll("-", " ");
    const answer = await post("/v1/recovery", await recovery(typed, { account, deviceName: "second" }));
    expect(answer.status).toBe(201);
    expect((await answer.json()).enrollment).toMatchObject({
      deviceName: "second",
      scopes: { __manage: "rw" },
    });
    const again = await recovery(first, { account, deviceName: "third" });
    expect(await refusal(post("/v1/recovery", again))).toEqual([401, "recovery_refused"]);
  });

  it("gives who lost the answer the same enrollment, with the new recovery codes, until that was used", async () => {
    const { account, secret } = await newAccount();
    const [code, older, newer] = Array.from({ length: 3 }, () => newRecoveryCode(randomBytes)) as [
      string,
      string,
      string,
    ];
    await post("/v1/onboarding", await onboarding(secret, { account, recovery: [recoveryDigest(code)] }));
    const key = PrivateKey.generate();
    const given = { account, key, deviceName: "second" };
    const ids = [];
    for (const next of [older, newer]) {
      const body = await recovery(code, { ...given, recovery: [recoveryDigest(next)] });
      ids.push((await (await post("/v1/recovery", body)).json()).enrollment.id);
    }
    expect(ids[0]).toBe(ids[1]);
    const no = [401, "recovery_refused"];
    const third = { account, deviceName: "third" };
    expect(await refusal(post("/v1/recovery", await recovery(code, third)))).toEqual(no);
    expect(await refusal(post("/v1/recovery", await recovery(older, third)))).toEqual(no);
    expect((await post("/v1/recovery", await recovery(newer, third))).status).toBe(201);
    const challenge = await challengeFor(key.publicKey.deviceId, "authenticate");
    const signed = {
      origin: running.url,
      purpose: "authenticate",
      deviceId: key.publicKey.deviceId,
      challenge,
      counter: 1,
    } as const;
    const signature = toBase64Url(key.sign(signableChallenge(signed)));
    const answer = { device: signed.deviceId, challenge, counter: 1, signature };
    expect((await post("/v1/authentication", { answer })).status).toBe(200);
    expect(await refusal(post("/v1/recovery", await recovery(code, given)))).toEqual(no);
  });

  it("is refused alike for a wrong code, another account's, no account, and a signature of another key", async () => {
    const to = await start();
    const code = newRecoveryCode(randomBytes);
    const { account, secret } = await newAccount(to);
    const body = await onboarding(secret, { account, recovery: [recoveryDigest(code)], to });
    expect((await post("/v1/onboarding", body, to)).status).toBe(201);
    const { account: other } = await newAccount(to);
    const right = await recovery(code, { account, deviceName: "second", to });
    const wrong = [
      await recovery("", { account, to }).then((body) => ({ ...body, code: "x" })),
      await recovery(newRecoveryCode(randomBytes), { account, to }),
      await recovery(code, { account: other, to }),
      await recovery(code, { account: "@nobody", to }),
      { ...(await recovery(code, { account, deviceName: "second", to })), signature: right.signature },
    ];
    for (const body of wrong)
      expect(await refusal(post("/v1/recovery", body, to))).toEqual([401, "recovery_refused"]);
    expect((await post("/v1/recovery", right, to)).status).toBe(201);
  });
});

describe("POST /v1/authentication", () => {
  const authenticate = (answer: object, token?: object, to = running) =>
    post("/v1/authentication", { answer, ...(token && { token }) }, to);

  it("gives an enrolled device a token of its own for the authority, or for what it holds", async () => {
    const account = await Account.open(running);
    const { device } = await account.enrolled({ scopes: { orders: "rw" }, deviceName: "box" });
    const answer = await authenticate(await account.answer(device, "authenticate", 1));
    expect(answer.status).toBe(200);
    const body = await answer.json();
    expect(body).toMatchObject({ token_type: "OathMesh", act: "amesh.authenticate", aud: running.url });
    expect(readToken(body.token).claims).toMatchObject({
      sub: `svc://${account.name.slice(1)}/orders/box`,
      tenant: account.name,
    });
    const wish = { aud: "api.example.com", act: "orders.write", cnf: "request-key" };
    const other = await authenticate(await account.answer(device, "authenticate", 2), wish);
    expect(await other.json()).toMatchObject({ aud: "api.example.com", act: "orders.write" });
    const wider = { aud: "api.example.com", act: "users.delete" };
    const denied = authenticate(await account.answer(device, "authenticate", 3), wider);
    expect(await refusal(denied)).toEqual([403, "mint_denied"]);
  });

  it("tells who holds the key how it stands, in four ways", async () => {
    const clock = { ahead: 0 };
    const running = await start(clock);
    const account = await Account.open(running);
    const pending = await account.pending();
    const denied = await account.pending();
    await account.decide(denied.id, "deny");
    const revoked = await account.enrolled();
    await account.decide(revoked.id, "revoke");
    const expiring = await account.enrolled({ lifetime: 60 });
    const told = async ({ device }: { readonly device: Device }, counter = 1) =>
      refusal(authenticate(await account.answer(device, "authenticate", counter), undefined, running));
    expect(await told(pending)).toEqual([403, "enrollment_pending"]);
    expect(await told(denied)).toEqual([403, "enrollment_denied"]);
    expect(await told(revoked)).toEqual([403, "enrollment_revoked"]);
    clock.ahead = 60_000;
    expect(await told(expiring)).toEqual([403, "enrollment_expired"]);
  });

  it("refuses alike an unknown device, a foreign key, another algorithm, a foreign purpose and what was used", async () => {
    const account = await Account.open(running);
    const { device } = await account.enrolled();
    const answer = (purpose: ChallengePurpose = "authenticate") => account.answer(device, purpose, 1);
    const ed25519 = generateKeyPairSync("ed25519").privateKey;
    const signedBy = async (signing: (bytes: Uint8Array) => Uint8Array) => {
      const { challenge } = await answer();
      const of = { origin: running.url, purpose: "authenticate", deviceId: device.id, challenge, counter: 1 };
      return {
        device: device.id,
        challenge,
        counter: 1,
        signature: toBase64Url(signing(signableChallenge(of))),
      };
    };
    const used = await answer();
    const wrong = [
      await account.answer(new Device(), "authenticate", 1),
      await signedBy((bytes) => PrivateKey.generate().sign(bytes as never)),
      await signedBy((bytes) => sign(null, bytes, ed25519)),
      await answer("wait"),
      { ...(await answer()), counter: 2 },
      { ...used, signature: "A".repeat(86) },
      used,
    ];
    const answers = new Set<string>();
    for (const each of wrong) {
      const refused = await authenticate(each);
      answers.add(`${refused.status} ${await refused.text()}`);
    }
    expect([...answers]).toEqual([expect.stringMatching(/^401 .*challenge_refused/)]);
    const der = await signedBy((bytes) =>
      Uint8Array.from([...utf8("0E"), ...device.key.sign(bytes as never)]),
    );
    expect(await refusal(authenticate(der))).toEqual([400, "authority_request_invalid"]);
    // Nothing of that counted: the device was locked by none of it.
    expect((await authenticate(await answer())).status).toBe(200);
  });

  it("does not lock a machine that died after its answer and sends it again, nor one that answers anew", async () => {
    const account = await Account.open(running);
    const { device } = await account.enrolled();
    const lost = await account.answer(device, "authenticate", 1);
    expect((await authenticate(lost)).status).toBe(200);
    expect(await refusal(authenticate(lost))).toEqual([401, "challenge_refused"]);
    expect((await authenticate(await account.answer(device, "authenticate", 2))).status).toBe(200);
  });

  it("locks a key that is in two machines", async () => {
    const account = await Account.open(running);
    const { device, id } = await account.enrolled();
    expect((await authenticate(await account.answer(device, "authenticate", 5))).status).toBe(200);
    const clone = authenticate(await account.answer(device, "authenticate", 5));
    expect(await refusal(clone)).toEqual([403, "enrollment_revoked"]);
    expect((await account.show(id)).enrollment ?? (await account.show(id))).toMatchObject({
      status: "revoked",
      reason: "suspected-clone",
    });
  });
});
