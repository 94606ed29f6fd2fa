import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AmeshError } from "@authmesh/core";
import { createJwksSource, pollRevocations, type TokenClaims } from "@authmesh/oath";
import {
  type ClientOptions,
  createClient,
  requireAction,
  type VerifyTokenOptions,
  verifyToken,
} from "@authmesh/sdk";
import express from "express";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ManualClock } from "../../oath/test/fixtures/http-server.js";
import { Device, everything, RunningAuthority, silent } from "./running-authority.js";

const orders = { audience: "orders", action: "orders.write" };
const post = { method: "POST", body: '{"amount":100}', headers: { "Content-Type": "application/json" } };

/** An API that trusts the authority. */
async function service(issuer: string, options: Partial<VerifyTokenOptions> = {}) {
  const seen: TokenClaims[] = [];
  const app = express();
  app.use(
    verifyToken({
      audience: "orders",
      trustedIssuers: [issuer],
      policy: "none",
      logger: silent,
      onDecision: (decision) => void (decision.allowed && seen.push(decision.claims)),
      ...options,
    }),
    requireAction("orders.write"),
  );
  app.use((request, response) => void response.json({ by: request.oathmeshContext.principal.subject }));
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/orders`, seen };
}

function clientOf(
  device: Device,
  { url: authority }: RunningAuthority,
  token: Partial<NonNullable<ClientOptions["token"]>>,
  options: ClientOptions = {},
) {
  const { identity } = device;
  const client = createClient({
    identity,
    session: false,
    logger: silent,
    token: { authority, ...orders, ...token },
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

const failureOf = (calling: Promise<Response>): Promise<AmeshError> =>
  calling.then(
    ({ status }) => Promise.reject(new Error(`it was answered ${status}`)),
    (error: AmeshError) => error,
  );

const minted = ({ events }: RunningAuthority) =>
  events.filter(({ type }) => type.endsWith("token.minted")).length;

describe("a client with tokens of an authority", () => {
  it("has one for each request, bound to it, where the authority's rule asks for that", async () => {
    const running = await RunningAuthority.start({ rules: [{ ...everything, request: "bound" }] });
    const device = await running.device();
    const { url, seen } = await service(running.url, { requireRequestBinding: true });
    const client = clientOf(device, running, { bind: "request" });
    for (const target of [`${url}?b=2&a=%20x`, url]) {
      const response = await client.fetch(target, post);
      expect([response.status, await response.json()]).toEqual([200, { by: `svc://device/${device.id}` }]);
    }
    expect(new Set(seen.map(({ rqh }) => rqh)).size).toBe(2);
    expect(minted(running)).toBe(2);
    const unbound = await failureOf(clientOf(device, running, {}).fetch(url, post));
    expect(unbound).toMatchObject({ code: "token_refused", message: expect.stringContaining("without rqh") });
  });

  it.each<[name: string, options: ClientOptions]>([
    ["its device's key", {}],
    ["a session key", { session: true }],
    ["HTTP message signatures", { scheme: "http-signature" }],
    ["HTTP message signatures of a session key", { scheme: "http-signature", session: true }],
  ])("holds one that is good with %s alone", async (_, options) => {
    const running = await RunningAuthority.start({ rules: [{ ...everything, proof: "required" }] });
    const device = await running.device();
    const { url, seen } = await service(running.url);
    const client = clientOf(device, running, { proof: true }, options);
    const statuses = await Promise.all([1, 2, 3].map(async () => (await client.fetch(url, post)).status));
    expect(statuses).toEqual([200, 200, 200]);
    expect(seen[0]?.cnf?.jkt).toMatch(/^[\w-]{43}$/);
    expect(minted(running)).toBe(1);
    const { Authorization: stolen = "" } = await client.headers(url);
    const played = await fetch(url, { ...post, headers: { Authorization: stolen } });
    expect([played.status, await played.json()]).toMatchObject([401, { step: 12 }]);
  });

  it("is told by the authority what no rule grants, and what mends it", async () => {
    const rule = { ...everything, name: "reads", action: "orders.read" };
    const running = await RunningAuthority.start({ rules: [rule] });
    const { url, seen } = await service(running.url);
    const denied = await failureOf(clientOf(await running.device(), running, {}).fetch(url, post));
    expect(denied.code).toBe("token_refused");
    expect(denied.message).toContain('403 "mint_denied": No rule grants it. Rule reads comes nearest');
    expect(denied.fix).toBe("Ask for what the rule grants, or change its action in the authority's policy.");
    const invalid = await failureOf(
      clientOf(await running.device(), running, { subject: "nobody", action: "orders.read" }).fetch(url),
    );
    expect(invalid).toMatchObject({
      code: "token_refused",
      message: expect.stringMatching(/400 "authority_request_invalid": .*sub is not as it must be/),
    });
    expect(seen).toEqual([]);
  });

  it("is refused where the authority does not know it, and served as soon as it does", async () => {
    const running = await RunningAuthority.start();
    const { url } = await service(running.url);
    const stranger = new Device();
    const client = clientOf(stranger, running, {});
    const unknown = await failureOf(client.fetch(url, post));
    expect(unknown).toMatchObject({ code: "token_refused", message: expect.stringContaining("401") });
    expect(unknown.fix).toContain("amesh authority pair");
    await running.add(stranger);
    expect((await client.fetch(url, post)).status).toBe(200);
  });

  it("is told how long to wait where it asks too often", async () => {
    const running = await RunningAuthority.start({ limits: { caller: 6 } });
    const { url } = await service(running.url);
    const client = clientOf(await running.device(), running, {});
    expect((await client.fetch(url, post)).status).toBe(200);
    const limited = await failureOf(client.fetch(url, post));
    expect(limited).toMatchObject({ code: "token_refused", message: expect.stringMatching(/429 .*\d+ s/) });
  });

  it("goes on with the token that it holds while the authority is restarted, and gets the next one there", async () => {
    const running = await RunningAuthority.start();
    const device = await running.device();
    const { url } = await service(running.url);
    const holding = clientOf(device, running, { proof: true });
    const asking = clientOf(device, running, { bind: "request" });
    const statuses = async () => [
      (await holding.fetch(url, post)).status,
      (await asking.fetch(url, post)).status,
    ];
    expect(await statuses()).toEqual([200, 200]);
    await running.authority.close();
    expect((await holding.fetch(url, post)).status).toBe(200);
    expect((await failureOf(asking.fetch(url, post))).code).toBe("authority_unreachable");
    const again = await running.restart();
    expect(await statuses()).toEqual([200, 200]);
    expect(minted(again)).toBe(1);
  });
});

describe("a receiver", () => {
  it("does not notice that the authority is away for five minutes", async () => {
    const clock = new ManualClock();
    const { now } = clock;
    const running = await RunningAuthority.start({ now, publicRevocations: true });
    const issuer = running.url;
    const device = await running.device({ revocations: "rw" });
    let listed = 0;
    const failures = { keys: 0, revocations: 0 };
    const keys = createJwksSource({
      ...clock,
      issuers: [issuer],
      observe: ({ type }) => void (type === "failed" && failures.keys++),
    });
    const revocations = pollRevocations({
      ...clock,
      issuer,
      observe(event) {
        if (event.type === "failed") failures.revocations++;
        else listed = event.entries;
      },
    });
    onTestFinished(() => {
      keys.close();
      revocations.close();
    });
    await Promise.all([keys.preWarm(), revocations.preWarm()]);
    const { url } = await service(issuer, { keys, revocations, now });
    const mint = async (ttl = 300) => {
      const response = await device.mint(issuer, { aud: "orders", act: "orders.write", ttl });
      return (await response.json()) as { token: string; jti: string };
    };
    const call = async ({ token }: { token: string }) => {
      const response = await fetch(url, { headers: { Authorization: `OathMesh ${token}` } });
      return response.ok ? "accepted" : (await response.json()).error;
    };
    const tokens = await Promise.all(Array.from({ length: 5 }, () => mint()));
    const [revoked, brief, used] = [await mint(), await mint(60), await mint()];
    await device.fetch(`${issuer}/v1/revocations`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ by: "jti", value: revoked.jti, reason: "stolen" }),
    });
    clock.pass(1);
    await vi.waitUntil(() => listed > 0, 5000);
    expect(await call(used)).toBe("accepted");

    await running.authority.close();
    for (const token of tokens) {
      clock.pass(59);
      expect(await call(token)).toBe("accepted");
    }
    await vi.waitUntil(() => failures.keys > 0 && failures.revocations > 0, 5000);
    // And it has forgotten nothing.
    expect([await call(revoked), await call(used), await call(brief)]).toEqual([
      "revoked",
      "replay_detected",
      "token_expired",
    ]);

    await running.restart({ now, publicRevocations: true });
    expect(await call(await mint())).toBe("accepted");
  });
});
