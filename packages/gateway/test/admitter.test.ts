import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AmeshError, IncomingRequest } from "@authmesh/core";
import { addDevice, createIdentity, type OpenIdentity, openIdentity, revokeDevice } from "@authmesh/keystore";
import { feedStatuses } from "@authmesh/sdk/feed";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { FeedAuthority } from "../../oath/test/fixtures/feed-authority.js";
import { feedDevice } from "../../oath/test/fixtures/feed-devices.js";
import { HttpServer } from "../../oath/test/fixtures/http-server.js";
import type { Admitter } from "../src/admit/admission.js";
import { createAdmitter } from "../src/admit/create-admitter.js";
import { SharedParts } from "../src/admit/shared-parts.js";
import type { RouteSettings, VerificationSettings } from "../src/config/settings.js";
import { audience, incoming, makeDevice, silent, startIssuer } from "./fixtures/callers.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-gateway-"));
const identity = join(folder, "server");
const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
const device = makeDevice();
const { deviceId } = device.publicKey;
const atEnd: (() => void)[] = [];
let server: OpenIdentity;
let tokens: Awaited<ReturnType<typeof startIssuer>>;

beforeAll(async () => {
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
  await createIdentity({ dir: identity, env, friendlyName: "server", argon2 });
  server = await openIdentity({ dir: identity, env });
  await trust();
  tokens = await startIssuer((end) => atEnd.push(end));
});

afterAll(() => {
  vi.unstubAllEnvs();
  for (const end of atEnd) end();
  rmSync(folder, { recursive: true });
});

async function trust(): Promise<void> {
  const list = await server.openAllowList();
  await list.update((draft) =>
    addDevice(draft, {
      publicKey: device.publicKey,
      friendlyName: "till 1",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: true,
      scopes: { orders: "r" },
      acceptRevoked: true,
      now: 1_800_000_000,
    }),
  );
}

const verification = (given: Partial<VerificationSettings> = {}): VerificationSettings => ({
  ...settingsOf().verification,
  audience: [audience],
  identity,
  tokens: { issuers: tokens.issuer, audience: "orders", policy: "none", replayScope: "gateway" },
  ...given,
});

const all = new Set(["device", "http-signature", "token"] as const);

async function open(
  routes: readonly RouteSettings[],
  given?: Partial<VerificationSettings>,
  parts?: SharedParts,
  before?: Partial<VerificationSettings>,
) {
  const refused: string[] = [];
  const warnings: string[] = [];
  const admitter = await createAdmitter(verification(given), routes, {
    logger: { ...silent, warn: (message: string) => void warnings.push(message) },
    onRefused: (code) => void refused.push(code),
    before: before && verification(before),
    ...(parts === undefined ? {} : { parts }),
  });
  onTestFinished(() => admitter.close());
  return { admitter, refused, warnings };
}

/** The status and the code that the caller is told, or who was let in. */
async function ask(admitter: Admitter, request: IncomingRequest, route: RouteSettings) {
  const { admitted, answer } = await admitter.admit(request, route);
  return answer === undefined
    ? (admitted.caller ?? "anybody")
    : `${answer.status} ${JSON.parse(answer.body).error}`;
}

describe("what a route accepts", () => {
  it("lets a device in by either signature, and tells who it is", async () => {
    const route = routeOf({ accept: all, scopes: ["orders:r"] });
    const { admitter } = await open([route]);
    const told = {
      kind: "device",
      subject: deviceId,
      device: deviceId,
      name: "till 1",
      scopes: ["orders:r"],
      decisionId: expect.stringMatching(/^[\w-]{16}$/),
    };
    expect(await ask(admitter, await device.signed(), route)).toEqual(told);
    expect(await ask(admitter, await device.httpSigned(), route)).toEqual(told);
  });

  it("lets a token in, and tells whose it is and what for", async () => {
    const route = routeOf({ accept: all, actions: ["orders.write", "orders.read"] });
    const { admitter } = await open([route]);
    expect(await ask(admitter, await tokens.bearing({ scope: ["b", "a"] }), route)).toEqual({
      kind: "token",
      subject: "svc://billing/worker",
      action: "orders.read",
      scopes: ["b", "a"],
      issuer: tokens.issuer,
      tokenId: expect.any(String),
      decisionId: expect.any(String),
    });
  });

  it("names the device that proved a token to be its own, where it is known", async () => {
    const route = routeOf({ accept: all });
    const { admitter } = await open([route]);
    const stranger = makeDevice();
    const known = await device.holding(await tokens.mint({ cnf: { jkt: device.jkt } }));
    const unknown = await stranger.holding(await tokens.mint({ cnf: { jkt: stranger.jkt } }));
    expect(await ask(admitter, known, route)).toMatchObject({
      kind: "token",
      device: deviceId,
      name: "till 1",
    });
    expect(await ask(admitter, unknown, route)).not.toHaveProperty("device");
  });

  it.each([
    [["device"], "httpSigned", "AuthMesh"],
    [["device"], "token", "AuthMesh"],
    [["http-signature"], "signed", "AuthMesh"],
    [["http-signature"], "token", "AuthMesh"],
    [["http-signature"], "held", "AuthMesh"],
    [["token"], "signed", 'OathMesh error="proof_not_accepted"'],
    [["token"], "httpSigned", 'OathMesh error="proof_not_accepted"'],
    [["device", "token"], "httpSigned", 'AuthMesh, OathMesh error="proof_not_accepted"'],
  ] as const)("is all it takes: %j refuses %s, whoever proved it", async (accept, how, challenge) => {
    const path = join(folder, `audit-${accept.join()}-${how}.jsonl`);
    const route = routeOf({ accept: new Set(accept) });
    const { admitter, refused } = await open([route, routeOf({ accept: all })], { audit: path });
    const requests = {
      signed: () => device.signed(),
      httpSigned: () => device.httpSigned(),
      token: () => tokens.bearing(),
      held: async () => device.holding(await tokens.mint({ cnf: { jkt: device.jkt } })),
    };
    const { answer } = await admitter.admit(await requests[how](), route);
    expect(answer).toMatchObject({ status: 401, headers: { "WWW-Authenticate": challenge } });
    expect(JSON.parse(answer?.body ?? "")).toMatchObject({ error: "proof_not_accepted" });
    expect(refused).toEqual(["proof_not_accepted"]);
    await admitter.close();
    const events = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events).toMatchObject([
      {
        type: "dev.authmesh.request.refused",
        id: answer?.headers["AuthMesh-Decision"],
        proven: false,
        data: { code: "proof_not_accepted" },
      },
    ]);
  });

  it("decides what is told to whom brings no proof", async () => {
    const [devices, both, byToken] = [["device"], ["token", "http-signature"], ["token"]].map((accept) =>
      routeOf({ accept: new Set(accept as ["token"]) }),
    ) as [RouteSettings, RouteSettings, RouteSettings];
    const { admitter } = await open([devices, both, byToken]);
    expect(await ask(admitter, incoming(), devices)).toBe("400 missing_header");
    expect(await ask(admitter, incoming(), both)).toBe("400 missing_header");
    expect(await ask(admitter, incoming(), byToken)).toBe("401 claim_missing:token");
    expect(await ask(admitter, incoming({ authorization: "Basic eDp5" }), byToken)).toBe(
      "401 claim_missing:token",
    );
  });

  it("refuses two proofs of which each would do", async () => {
    const route = routeOf({ accept: all });
    const { admitter } = await open([route]);
    const [signed, other, token] = [await device.signed(), await device.httpSigned(), await tokens.bearing()];
    const both = (a: IncomingRequest, b: IncomingRequest): IncomingRequest => ({
      ...a,
      headers: (name) => [...new Set([...a.headers(name), ...b.headers(name)])],
    });
    expect(await ask(admitter, both(signed, other), route)).toBe("400 ambiguous_proof");
    expect(await ask(admitter, both(signed, token), route)).toBe("401 token_malformed");
    expect(await ask(admitter, both(token, other), route)).toBe("400 ambiguous_proof");
  });

  it("asks nothing of a public route, also where nobody can be verified", async () => {
    const route = routeOf({ public: true, accept: new Set() });
    const { admitter } = await open([route], { identity: join(folder, "missing") });
    expect(await ask(admitter, incoming(), route)).toBe("anybody");
    expect(admitter.notReady()).toBeUndefined();
  });

  it("knows no route of another configuration", async () => {
    const { admitter } = await open([routeOf()]);
    expect(await ask(admitter, await device.signed(), routeOf({ public: true }))).toBe("404 no_route");
  });
});

describe("what a route requires", () => {
  it("is every scope of device and token, and an action that no device has", async () => {
    const path = join(folder, "required.jsonl");
    const writes = routeOf({ accept: all, scopes: ["orders:r", "orders:w"] });
    const acts = routeOf({ accept: all, actions: ["orders.write"] });
    const { admitter, refused } = await open([writes, acts], { audit: path });
    expect(await ask(admitter, await device.signed(), writes)).toBe("403 scope_missing");
    expect(await ask(admitter, await tokens.bearing({ scope: ["orders:r"] }), writes)).toBe(
      "403 scope_missing",
    );
    expect(await ask(admitter, await tokens.bearing({ scope: ["orders:rw"] }), writes)).toMatchObject({
      kind: "token",
    });
    expect(await ask(admitter, await device.signed(), acts)).toBe("403 action_mismatch");
    expect(await ask(admitter, await tokens.bearing(), acts)).toBe("403 action_mismatch");
    expect(refused).toEqual(["scope_missing", "scope_missing", "action_mismatch", "action_mismatch"]);
    await admitter.close();
    const events = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ type, data }) => data.code ?? type.split(".").at(-1))).toEqual([
      "allowed",
      "scope_missing",
      "allowed",
      "scope_missing",
      "allowed",
      "allowed",
      "action_mismatch",
      "allowed",
      "action_mismatch",
    ]);
  });

  it("may be decided by a policy of its own", async () => {
    const policy = join(folder, "policy.yaml");
    const { stringify } = JSON;
    writeFileSync(policy, stringify({ version: 1, rules: [] }));
    const [common, own] = [routeOf({ accept: all }), routeOf({ accept: all, policy })];
    const { admitter } = await open([common, own]);
    expect(await ask(admitter, await tokens.bearing(), common)).toMatchObject({ kind: "token" });
    expect(await ask(admitter, await tokens.bearing(), own)).toBe("403 policy_denied");
  });
});

describe("a change of the configuration", () => {
  const signed = () => device.signed();
  const bearing = () => tokens.bearing();

  /** Admits by one admitter, and then by the next, which takes the place of the first. */
  async function replayed(
    make: () => Promise<IncomingRequest>,
    given: Partial<VerificationSettings> = {},
    changed: Partial<VerificationSettings> = {},
  ) {
    const parts = new SharedParts();
    const before = routeOf({ accept: all });
    const { admitter: first } = await open([before], given, parts);
    // A connection to Redis that is still being made is no answer.
    await expect
      .poll(async () => ask(first, await device.signed(), before), { timeout: 10_000 })
      .toHaveProperty("subject");
    const request = await make();
    expect(await ask(first, request, before)).toMatchObject({ subject: expect.any(String) });
    const after = routeOf({ accept: all, bodyBytes: 1, scopes: [] });
    const now = { ...given, ...changed };
    const { admitter: next, refused, warnings } = await open([after, routeOf()], now, parts, given);
    await first.close();
    const answer = await ask(next, incomingOf(request), after);
    return { answer, refused, warnings: warnings.filter((message) => !message.startsWith("refused")) };
  }

  /** The same bytes in another request. */
  const incomingOf = ({ recordedNonce: _, ...request }: IncomingRequest): IncomingRequest => request;

  it("lets no replay pass that the last one would have refused", async () => {
    expect(await replayed(signed)).toMatchObject({
      refused: ["replay_detected"],
      warnings: [],
    });
    expect(await replayed(bearing)).toMatchObject({ answer: "401 replay_detected" });
  });

  it("refuses what was made before it where it changes what remembers, and says so", async () => {
    const { url } = await RedisServer.start(onTestFinished);
    const elsewhere = (what: string) =>
      `${what} are remembered elsewhere from now on; what was made before is refused`;
    const both = [elsewhere("nonces"), elsewhere("used tokens")];
    for (const [given, changed] of [
      [{ redisUrl: url }, { redisUrl: undefined }],
      [{}, { redisUrl: url }],
    ] as const)
      for (const make of [signed, bearing]) {
        const { refused, warnings } = await replayed(make, given, changed);
        expect(refused).toEqual(["replay_epoch"]);
        expect(warnings).toEqual(both);
      }
    const other = { issuers: tokens.issuer, audience: "orders", policy: "none", replayScope: "other" };
    const scoped = { tokens: other };
    const ofToken = await replayed(bearing, {}, scoped);
    expect(ofToken).toMatchObject({ refused: ["replay_epoch"], warnings: [elsewhere("used tokens")] });
    expect(await replayed(signed, {}, scoped)).toMatchObject({ refused: ["replay_detected"] });
  });

  it("lets none pass where several gateways share a Redis", async () => {
    const { url } = await RedisServer.start(onTestFinished);
    expect(await replayed(signed, { redisUrl: url })).toMatchObject({
      refused: ["replay_detected"],
    });
  });

  it("goes on with the audit of the last one", async () => {
    const audit = join(folder, "continued.jsonl");
    await replayed(signed, { audit });
    expect(readFileSync(audit, "utf8").trim().split("\n")).toHaveLength(3);
  });

  it("tells when the device is revoked that proved a token to be its own", async () => {
    const route = routeOf({ accept: all });
    const { admitter } = await open([route]);
    const held = await device.holding(await tokens.mint({ cnf: { jkt: device.jkt } }));
    const { admitted } = await admitter.admit(held, route);
    const lost = new Promise<AmeshError>((resolve) => admitted?.watch(resolve));
    const list = await server.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_800_000_001 }));
    expect((await lost).code).toBe("device_revoked");
    await trust();
  });

  it("keeps what the last one followed until its connections are over", async () => {
    const parts = new SharedParts();
    const route = routeOf();
    const { admitter: first } = await open([route], {}, parts);
    const { admitted } = await first.admit(await device.signed(), route);
    const lost = new Promise<AmeshError>((resolve) => admitted?.watch(resolve));
    await open([route], { clockSkewSeconds: 5 }, parts);
    const list = await server.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_800_000_001 }));
    expect((await lost).code).toBe("device_revoked");
    await trust();
  });
});

describe("an authority", () => {
  it("says who is enrolled and who was revoked, to one admitter after the other, and is followed no longer than that", async () => {
    const enrolled = makeDevice();
    const { added, revoked } = feedDevice("shop/till-2", { key: enrolled.publicKey.bytes });
    const authority = new FeedAuthority("@acme", Date.now);
    onTestFinished(() => authority.cut());
    const http = await HttpServer.start(authority.answer, onTestFinished);
    authority.iss = http.url;
    await authority.change(added);
    const given = { authority: { url: http.url, key: authority.first.publicJwk.kid, account: "@acme" } };
    const parts = new SharedParts();
    const route = routeOf();
    const { admitter: first } = await open([route], given, parts);
    expect(await ask(first, await enrolled.signed(), route)).toMatchObject({
      subject: enrolled.publicKey.deviceId,
    });
    const { admitter: next } = await open([route, routeOf({ name: "further" })], given, parts);
    await first.close();
    expect(feedStatuses()).toHaveLength(1);
    await expect.poll(() => authority.streams.size, { timeout: 10_000 }).toBe(1);
    await authority.change(revoked);
    await expect
      .poll(async () => ask(next, await enrolled.signed(), route), { timeout: 10_000 })
      .toBe("401 unauthorized");
    await next.close();
    expect(feedStatuses()).toEqual([]);
  });
});

describe("a gateway that remembers by itself", () => {
  it("refuses what was made before its process began", async () => {
    const route = routeOf({ accept: all });
    const { admitter, refused } = await open([route], { clockSkewSeconds: 300 });
    const then = () => performance.timeOrigin;
    expect(await ask(admitter, await device.httpSigned(then), route)).toBe("401 unauthorized");
    expect(await ask(admitter, await tokens.bearing({}, then), route)).toBe("401 replay_epoch");
    const soon = () => performance.timeOrigin + 1000;
    expect(await ask(admitter, await device.httpSigned(soon), route)).toHaveProperty("subject");
    expect(refused).toEqual(["replay_epoch", "replay_epoch"]);
  });
});

describe("readiness", () => {
  it("waits for the Redis that remembers, and for what it forgot", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const route = routeOf();
    const { admitter } = await open([route], { redisUrl: redis.url });
    await vi.waitFor(() => expect(admitter.notReady()).toBeUndefined());
    expect(await ask(admitter, await device.signed(), route)).toHaveProperty("subject");
    await redis.kill();
    // Enough of them to stop asking it; without any it is noticed within seconds.
    for (let i = 0; i < 5; i++) await ask(admitter, await device.signed(), route);
    await vi.waitFor(() => expect(admitter.notReady()?.code).toBe("replay_store_unavailable"), 5000);
    await redis.start();
    await vi.waitFor(() => expect(admitter.notReady()?.message).toContain("lost its memory"), 5000);
    const { admitter: unguarded } = await open([routeOf({ public: true })], { redisUrl: redis.url });
    expect(unguarded.notReady()).toBeUndefined();
  });

  it("waits for the allow list", async () => {
    const { admitter } = await open([routeOf()], { identity: join(folder, "missing") });
    await vi.waitFor(() => expect(admitter.notReady()?.code).toBeDefined());
    const { admitter: other } = await open([routeOf()]);
    await vi.waitFor(() => expect(other.notReady()).toBeUndefined());
  });

  it("waits for the policy", async () => {
    const route = routeOf({ accept: new Set(["token"]), policy: join(folder, "none.yaml") });
    const { admitter } = await open([route]);
    await vi.waitFor(() => expect(admitter.notReady()?.code).toBe("storage_failed"));
  });

  it("is refused to an audit that cannot be written", async () => {
    await expect(
      open([routeOf()], { audit: join(folder, "no", "such", "audit.jsonl") }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^(audit_unavailable|storage_failed)$/),
    });
  });
});
