import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InMemoryNonceStore, jwkOf } from "@authmesh/core";
import { revokeDevice } from "@authmesh/keystore";
import { createJwksSource, createTokenVerifier, readToken, thumbprint } from "@authmesh/oath";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Device, everything, RunningAuthority, silent } from "./running-authority.js";

let running: RunningAuthority;
beforeAll(async () => {
  running = await RunningAuthority.start({}, afterAll);
});

const wish = { aud: "api.example.com", act: "orders.write" };

describe("POST /v1/token", () => {
  it.each(["EdDSA", "ES256"] as const)(
    "gives a device a token of %s that verifiers take, ours once, by the published keys",
    async (algorithm) => {
      const running = await RunningAuthority.start({ algorithm });
      const device = await running.device();
      const answer = await device.mint(running.url, { ...wish, scope: ["orders:w"], ttl: 60 });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      const body = await answer.json();
      expect(body).toMatchObject({
        token_type: "OathMesh",
        expires_in: 60,
        sub: `svc://device/${device.id}`,
        ...wish,
        scope: ["orders:w"],
      });
      const verifier = createTokenVerifier({
        audience: wish.aud,
        trustedIssuers: [running.url],
        keys: createJwksSource({ issuers: [running.url] }),
        replay: new InMemoryNonceStore(),
        policy: "none",
      });
      expect(await verifier.verify(body.token)).toMatchObject({ allowed: true });
      expect(await verifier.verify(body.token)).toMatchObject({ failure: { code: "replay_detected" } });
      const keys = createRemoteJWKSet(new URL(`${running.url}/.well-known/jwks.json`));
      const second = await jwtVerify(body.token, keys, { issuer: running.url, audience: wish.aud });
      expect(second.payload.jti).toBe(body.jti);
      expect(running.events.find(({ type }) => type.endsWith("token.minted"))).toMatchObject({
        subject: device.id,
        proven: true,
        data: { rule: "everything", token: { jti: body.jti, aud: wish.aud } },
      });
    },
  );

  it("binds a token to a request and to a key when asked: the device's, or the session key that signed", async () => {
    const rqh = `sha256:${"ab".repeat(32)}`;
    const device = await running.device();
    const own = await (await device.mint(running.url, { ...wish, rqh, cnf: "request-key" })).json();
    expect(readToken(own.token).claims).toMatchObject({
      rqh,
      cnf: { jkt: thumbprint(jwkOf(device.key.publicKey)) },
    });
    const other = { jkt: "a".repeat(43) };
    const given = await (await device.mint(running.url, { ...wish, cnf: other })).json();
    expect(readToken(given.token).claims?.cnf).toEqual(other);

    const inSession = await running.device({}, { session: true });
    const bySession = await (await inSession.mint(running.url, { ...wish, cnf: "request-key" })).json();
    const jkt = readToken(bySession.token).claims?.cnf?.jkt;
    expect(jkt).toMatch(/^[\w-]{43}$/);
    expect(jkt).not.toBe(thumbprint(jwkOf(inSession.key.publicKey)));
  });

  it.each(["authmesh", "http-signature"] as const)("takes requests signed as %s", async (scheme) => {
    const device = await running.device({}, { scheme });
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });

  it("gives nobody anything who is not known, was revoked, or does not sign", async () => {
    const known = await running.device();
    expect((await known.mint(running.url, wish)).status).toBe(200);
    await running.authority.state.devices.update((draft) =>
      revokeDevice(draft, { deviceId: known.id, now: 1_800_000_000 }),
    );
    for (const device of [known, new Device()]) {
      const answer = await device.mint(running.url, wish);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(await answer.json()).toMatchObject({
        status: 401,
        error: "unauthorized",
        decision: expect.any(String),
      });
    }
    const unsigned = await fetch(`${running.url}/v1/token`, { method: "POST", body: JSON.stringify(wish) });
    expect(unsigned.status).toBe(400);
    expect(await unsigned.json()).toMatchObject({ error: "missing_header" });
  });

  it("takes requests for its further hosts, and for its issuer's all the same", async () => {
    const named = await RunningAuthority.start({ audience: ["authority.internal"], trustProxy: true });
    const device = await named.device();
    const statusAt = async (url: string) =>
      (await (await device.signed(url, wish))(named.url, { "X-Forwarded-Host": new URL(url).host })).status;
    for (const url of [named.url, named.url.replace("localhost", "127.0.0.1"), "http://authority.internal"])
      expect(await statusAt(url)).toBe(200);
    expect(await statusAt("http://other.internal")).toBe(401);
  });

  it("takes a signed request once, and not one that was made for another host", async () => {
    const device = await running.device();
    const captured = await device.signed(running.url, wish);
    expect((await captured()).status).toBe(200);
    expect((await captured()).status).toBe(401);
    const elsewhere = await RunningAuthority.start();
    await elsewhere.add(device);
    expect((await (await device.signed(running.url, wish))(elsewhere.url)).status).toBe(401);
  });

  it.each([
    ["no JSON", "aud=x"],
    ["no object", "[]"],
    ["without aud", JSON.stringify({ act: "x" })],
    ["aud in a list", JSON.stringify({ aud: ["x"], act: "x" })],
    ["a life of an hour", JSON.stringify({ ...wish, ttl: 3600 })],
    ["a life of no time", JSON.stringify({ ...wish, ttl: 0 })],
    ["a life of 1e2 s", `{"aud":"x","act":"x","ttl":1e2}`],
    ["aud twice", `{"aud":"x","act":"x","aud":"y"}`],
    ["a misspelt member", JSON.stringify({ ...wish, scopes: ["x"] })],
    ["a jti of its own", JSON.stringify({ ...wish, jti: "x" })],
    ["src", JSON.stringify({ ...wish, src: { type: "github-actions" } })],
    ["tenant", JSON.stringify({ ...wish, tenant: "x" })],
    ["a subject that is none", JSON.stringify({ ...wish, sub: "billing" })],
    ["a hash that is none", JSON.stringify({ ...wish, rqh: "sha256:x" })],
    ["a private key as cnf", JSON.stringify({ ...wish, cnf: { jwk: {} } })],
    ["a thousand arrays", `${"[".repeat(1000)}${"]".repeat(1000)}`],
  ])("refuses what cannot be read: %s", async (_, body) => {
    const caller = await running.device();
    const answer = await caller.fetch(`${running.url}/v1/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: "authority_request_invalid" }]);
  });

  it("asks what was meant in one sentence with one end", async () => {
    const caller = await running.device();
    const { detail } = await (await caller.mint(running.url, { ...wish, scopee: [] })).json();
    expect(detail).toMatch(/; did you mean scope\?$/);
  });

  it("refuses a body that is too large, before anything else", async () => {
    const caller = await running.device();
    const answer = await caller.mint(running.url, { ...wish, reason: "x".repeat(100_000) });
    expect(answer.status).toBe(413);
  });
});

describe("amesh_authority_refusals_total", () => {
  it("counts every refusal by its own code: of the verifier, of the database, of a body that is too large", async () => {
    const running = await RunningAuthority.start();
    const [device, stranger] = [await running.device(), new Device()];
    const counted = async () =>
      [
        ...(await (await fetch(`${running.url}/metrics`)).text()).matchAll(
          /refusals_total\{code="(\w+)"\} (\d+)/g,
        ),
      ]
        .map(([, code, count]) => `${code} ${count}`)
        .sort();
    expect(await counted()).toEqual([]);
    await stranger.mint(running.url, wish);
    await stranger.mint(running.url, wish);
    const captured = await device.signed(running.url, wish);
    await captured();
    await captured();
    await fetch(`${running.url}/v1/introspect`, { method: "POST" });
    await device.mint(running.url, { ...wish, reason: "x".repeat(100_000) });
    await running.authority.state.store.close();
    await device.mint(running.url, wish);
    expect(await counted()).toEqual([
      "device_unknown 2",
      "missing_header 1",
      "payload_too_large 1",
      "replay_detected 1",
      "replay_store_unavailable 1",
    ]);
  });
});

describe("the policy", () => {
  it("is nothing without a rule, and the refusal says what a rule would need", async () => {
    const device = await running.device();
    await running.setRules([]);
    const body = await (await device.mint(running.url, wish)).json();
    expect(body).toMatchObject({ error: "mint_denied", status: 403 });
    for (const part of [device.id, wish.aud, wish.act]) expect(body.fix).toContain(part);
    expect(running.events.at(-1)).toMatchObject({
      type: "dev.authmesh.token.refused",
      subject: device.id,
      proven: true,
      data: { code: "mint_denied" },
    });
    await running.setRules([everything]);
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });

  it("stays as it was when its file goes wrong, and says so", async () => {
    const device = await running.device();
    writeFileSync(join(running.authority.state.dir, "policy.yaml"), `{"version":1,"mint":[{"nmae":"x"}]}`);
    await vi.waitUntil(() => running.events.some(({ type }) => type.endsWith("policy.refused")), 5000);
    expect((await device.mint(running.url, wish)).status).toBe(200);
    await running.setRules([everything]);
  });

  it("grants nothing when its file is gone, and the log warns of it", async () => {
    const warnings: string[] = [];
    const logger = { ...silent, warn: (message: string) => void warnings.push(message) };
    const running = await RunningAuthority.start({ logger });
    const { policyPath } = running.authority;
    rmSync(policyPath);
    await vi.waitUntil(() => warnings.some((line) => line.startsWith(`${policyPath} is gone`)), 5000);
    expect((await (await running.device()).mint(running.url, wish)).status).toBe(403);
  });

  it("never lets a device speak for another, whatever its rules let through", async () => {
    const [device, other] = [await running.device(), await running.device()];
    const answer = await device.mint(running.url, { ...wish, sub: `svc://device/${other.id}` });
    expect(answer.status).toBe(403);
  });
});
