import {
  type AmeshError,
  type AuditEvent,
  failure,
  type IncomingRequest,
  jwkOf,
  signHttpRequest,
} from "@authmesh/core";
import { mintToken, type RevocationSource, staticKeys, thumbprint } from "@authmesh/oath";
import { createClient, type VerifyTokenOptions } from "@authmesh/sdk";
import { createRequestGuard, createTokenGuard, problemResponse, scopesHeld } from "@authmesh/sdk/guard";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { newFeedSigner } from "../../oath/test/fixtures/feed-authority.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const issuer = "https://tokens.example.com";
const signer = newFeedSigner();
const caller = makeIdentity();
const client = createClient({ identity: caller });

beforeEach(() => vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] }));
afterEach(() => vi.useRealTimers());

function requestOf(headers: Readonly<Record<string, string>> = {}): IncomingRequest {
  const fields = new Map(Object.entries({ host: "api.example.com", ...headers }));
  return {
    method: "GET",
    target: "/orders",
    hasBody: false,
    headers: (name) => [fields.get(name) ?? []].flat(),
    bodyHash: async () => "",
  };
}

const lowerCase = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

async function signed(): Promise<IncomingRequest> {
  return requestOf(lowerCase(await client.headers("https://api.example.com/orders")));
}

function guards(trust = new MemoryTrust().trust(caller), options: Partial<VerifyTokenOptions> = {}) {
  const events: AuditEvent[] = [];
  const audit = { write: async (told: readonly AuditEvent[]) => void events.push(...told) };
  const devices = createRequestGuard({
    allowList: trust,
    audience: "api.example.com",
    logger: silent,
    audit,
  });
  const tokens = createTokenGuard({
    audience: "orders",
    trustedIssuers: [issuer],
    keys: staticKeys({ [issuer]: { keys: [signer.publicJwk] } }),
    policy: "none",
    tokenUse: "until-expiry",
    logger: silent,
    audit,
    ...options,
  });
  return { devices, tokens, events, trust };
}

async function tokenRequest(ttlSeconds = 60): Promise<IncomingRequest> {
  const claims = { sub: "svc://billing/worker", aud: "orders", act: "orders.read" };
  const { token } = await mintToken(claims, { issuer, signer, ttlSeconds });
  return requestOf({ authorization: `OathMesh ${token}` });
}

function losses() {
  const codes: string[] = [];
  return { codes, lost: ({ code }: AmeshError) => void codes.push(code) };
}

it("ends what a device may do no more by its route's requirement, and nothing else of the device", async () => {
  const { devices, trust } = guards(new MemoryTrust().trust(caller, { scopes: { orders: "rw" } }));
  const { deviceId } = caller.publicKey;
  const [writes, reads] = [losses(), losses()];
  devices.watch(deviceId, writes.lost, scopesHeld(["orders:w"]));
  devices.watch(deviceId, reads.lost, scopesHeld(["orders:r"]));
  trust.trust(caller, { scopes: { orders: "r" } }).changed();
  expect([writes.codes, reads.codes]).toEqual([["scope_missing"], []]);
  trust.revoked.add(deviceId);
  await vi.advanceTimersByTimeAsync(1000);
  expect([writes.codes, reads.codes]).toEqual([["scope_missing"], ["device_revoked"]]);
});

it("knows a device as long as it would be let in", () => {
  const { devices, trust } = guards();
  const { deviceId } = caller.publicKey;
  expect(devices.known(deviceId)?.friendlyName).toBe("caller");
  trust.revoked.add(deviceId);
  expect(devices.known(deviceId)).toBeUndefined();
});

it("ends a token's connection at its exp, without the leeway of requests", async () => {
  const { tokens } = guards();
  const decision = await tokens.decide(await tokenRequest(5));
  if (!decision.allowed) throw new Error(decision.failure.code);
  const { codes, lost } = losses();
  tokens.watch(decision, lost);
  await vi.advanceTimersByTimeAsync(4000);
  expect(codes).toEqual([]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(codes).toEqual(["token_expired"]);
});

it("asks of a token once a second whether it was revoked, however many connections it opened", async () => {
  const find = vi.fn<RevocationSource["find"]>(async () => undefined);
  const { tokens } = guards(undefined, { revocations: { find } });
  const decision = await tokens.decide(await tokenRequest());
  if (!decision.allowed) throw new Error(decision.failure.code);
  find.mockClear();
  const { codes, lost } = losses();
  for (let i = 0; i < 50; i++) tokens.watch(decision, lost);
  const stop = tokens.watch(decision, () => expect.fail("nobody watches any more"));
  stop();
  await vi.advanceTimersByTimeAsync(1000);
  expect(find).toHaveBeenCalledTimes(1);
  expect(find.mock.lastCall?.[0]).toMatchObject({ iss: issuer, kid: signer.publicJwk.kid });
  find.mockResolvedValue({ issuer, by: "sub", value: "svc://billing/worker", reason: "", actor: "a", at: 1 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(codes).toEqual(Array(50).fill("revoked"));
  await vi.advanceTimersByTimeAsync(5000);
  expect(find).toHaveBeenCalledTimes(2);
});

it("ends a token's connection when nobody can say whether it was revoked", async () => {
  let away = false;
  const find = () => {
    if (away) throw new Error("gone");
    return undefined;
  };
  const { tokens } = guards(undefined, { revocations: { find } });
  const decision = await tokens.decide(await tokenRequest());
  if (!decision.allowed) throw new Error(decision.failure.code);
  const { codes, lost } = losses();
  tokens.watch(decision, lost);
  away = true;
  await vi.advanceTimersByTimeAsync(1000);
  expect(codes).toEqual(["unexpected_error"]);
});

it("says which key signed a request with a token that names one", async () => {
  const { tokens } = guards();
  const { publicKey, sign } = caller;
  const claims = {
    sub: "svc://a/b",
    aud: "orders",
    act: "orders.read",
    cnf: { jkt: thumbprint(jwkOf(publicKey)) },
  };
  const authorization = `OathMesh ${(await mintToken(claims, { issuer, signer })).token}`;
  const url = new URL("https://api.example.com/orders");
  const proof = await signHttpRequest({ method: "GET", url }, { publicKey, sign, authorization });
  const decision = await tokens.decide(requestOf({ authorization, ...lowerCase({ ...proof }) }));
  expect(decision.allowed && decision.holder?.deviceId).toBe(publicKey.deviceId);
});

it("takes down whom a route refused, and whom nobody verified", async () => {
  const { devices, tokens, events } = guards();
  const request = await signed();
  const decision = await devices.decide(request);
  if (!decision.allowed) throw new Error(decision.failure.code);
  const refused = devices.refuse(decision, failure("scope_missing"), request);
  const away = devices.turnAway(failure("proof_not_accepted"), request);
  const tokenAway = tokens.turnAway(failure("proof_not_accepted"), request);
  expect(problemResponse(tokenAway).status).toBe(401);
  await vi.waitFor(() => expect(events).toHaveLength(4));
  const told = new Map(events.map(({ id, proven, data }) => [id, [proven, data["code"]]]));
  expect(told.get(refused.id)).toEqual([true, "scope_missing"]);
  expect(told.get(away.id)).toEqual([false, "proof_not_accepted"]);
  expect(told.get(tokenAway.id)).toEqual([false, "proof_not_accepted"]);
});

it("refuses by a token's route as the token's own guard does", async () => {
  const { tokens, events } = guards();
  const request = await tokenRequest();
  const decision = await tokens.decide(request);
  if (!decision.allowed) throw new Error(decision.failure.code);
  const refused = tokens.refuse(decision, failure("action_mismatch"), request);
  expect(problemResponse(refused)).toMatchObject({
    status: 403,
    body: expect.stringContaining('"error":"action_mismatch"'),
  });
  await vi.waitFor(() => expect(events.at(-1)?.id).toBe(refused.id));
});

it("says that a policy cannot be opened", async () => {
  const { tokens } = guards(undefined, { policy: "/nonexistent/policy.yaml" });
  await vi.waitFor(() => expect(tokens.check()?.code).toBe("storage_failed"));
  tokens.close();
});
