import { PrivateKey } from "@authmesh/core";
import { mintToken, pollRevocations } from "@authmesh/oath";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Device, RunningAuthority } from "./running-authority.js";

const wish = { aud: "api.example.com", act: "orders.write" };
const json = { "Content-Type": "application/json" };
let running: RunningAuthority;
let revoker: Device;
let reader: Device;

beforeAll(async () => {
  running = await RunningAuthority.start({}, afterAll);
  revoker = await running.device({ revocations: "rw" });
  reader = await running.device();
});

const revoke = (device: Device, entry: object) =>
  device.fetch(`${running.url}/v1/revocations`, {
    method: "POST",
    headers: json,
    body: JSON.stringify(entry),
  });
const mint = async (device: Device) => (await device.mint(running.url, wish)).json();
const introspect = async (token: string, device = reader) =>
  (
    await device.fetch(`${running.url}/v1/introspect`, {
      method: "POST",
      body: new URLSearchParams({ token }),
    })
  ).json();

describe("/v1/revocations", () => {
  it("is written by devices with the scope, read by devices, and followed by verifiers", async () => {
    const list = pollRevocations({ issuer: running.url, fetch: reader.fetch, intervalMs: 20 });
    onEnd(() => list.close?.());
    const { jti } = await mint(reader);
    expect((await revoke(reader, { by: "jti", value: jti, reason: "lost" })).status).toBe(403);
    const answer = await revoke(revoker, { by: "jti", value: jti, reason: "lost" });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ by: "jti", value: jti, actor: revoker.id });
    const token = { iss: running.url, sub: "svc://x", jti, kid: "k" };
    await vi.waitUntil(async () => {
      try {
        return (await list.find(token))?.reason === "lost";
      } catch {
        return false;
      }
    }, 3000);
    expect(running.events.find(({ type }) => type.endsWith("token.revoked"))).toMatchObject({
      subject: revoker.id,
      data: { by: "jti", value: jti, reason: "lost" },
    });

    const removed = await revoker.fetch(`${running.url}/v1/revocations?by=jti&value=${jti}`, {
      method: "DELETE",
    });
    expect(removed.status).toBe(200);
    await vi.waitUntil(async () => (await list.find(token)) === undefined, 3000);
    expect(
      (await revoker.fetch(`${running.url}/v1/revocations?by=jti&value=${jti}`, { method: "DELETE" })).status,
    ).toBe(404);
  });

  it("answers 304 to who has everything, changes alone to who has the rest, 410 to who comes from elsewhere", async () => {
    await revoke(revoker, { by: "sub", value: "svc://gone", reason: "left" });
    const whole = await reader.fetch(`${running.url}/v1/revocations`);
    const { generation, more, issuer, log } = await whole.json();
    expect({ more, issuer }).toEqual({ more: false, issuer: running.url });
    const etag = whole.headers.get("etag") as string;
    expect(etag).toBe(`"${log}.${generation}"`);
    const again = `${running.url}/v1/revocations?after=${generation}`;
    expect((await reader.fetch(again, { headers: { "If-None-Match": etag } })).status).toBe(304);
    await revoke(revoker, { by: "sub", value: "svc://gone2", reason: "left" });
    const rest = await (await reader.fetch(again, { headers: { "If-None-Match": etag } })).json();
    expect(rest.revocations).toMatchObject([{ by: "sub", value: "svc://gone2" }]);
    expect((await reader.fetch(`${running.url}/v1/revocations?after=${generation + 9}`)).status).toBe(410);
    const page = await (await reader.fetch(`${running.url}/v1/revocations?limit=1`)).json();
    expect(page).toMatchObject({ more: true, revocations: [{}] });
    expect((await reader.fetch(`${running.url}/v1/revocations?limit=0`)).status).toBe(400);
    expect((await reader.fetch(`${running.url}/v1/revocations?after=1e3`)).status).toBe(400);
  });

  it("is nobody else's to read, unless it was said to be public, and then without reasons", async () => {
    expect((await fetch(`${running.url}/v1/revocations`)).status).toBe(400);
    const open = await RunningAuthority.start({ publicRevocations: true });
    const device = await open.device({ revocations: "rw" });
    await device.fetch(`${open.url}/v1/revocations`, {
      method: "POST",
      headers: json,
      body: JSON.stringify({ by: "sub", value: "svc://gone", reason: "secret reason" }),
    });
    const text = await (await fetch(`${open.url}/v1/revocations`)).text();
    expect(text).toContain("svc://gone");
    expect(text).not.toContain("secret reason");
    expect(text).not.toContain(device.id);
  });

  it("keeps an entry for good, whatever shorter one is asked for, and says so", async () => {
    const entry = { by: "sub", value: "svc://stays", reason: "left" };
    await revoke(revoker, entry);
    const soon = Math.floor(Date.now() / 1000) + 60;
    const answer = await revoke(revoker, { ...entry, reason: "again", expiresAt: soon });
    expect(answer.status).toBe(201);
    const stands = await answer.json();
    expect(stands).toMatchObject({ ...entry, reason: "again", actor: revoker.id });
    expect(stands).not.toHaveProperty("expiresAt");
    const list = await (await reader.fetch(`${running.url}/v1/revocations`)).json();
    expect(list.revocations).toContainEqual(stands);
  });

  it.each([
    ["by nothing", { value: "x", reason: "x" }],
    ["by what there is not", { by: "iss", value: "x", reason: "x" }],
    ["without a reason", { by: "jti", value: "x" }],
    ["by another name for its actor", { by: "jti", value: "x", reason: "x", actor: "am_other" }],
    ["with a value of two lines", { by: "jti", value: "x\ny", reason: "x" }],
    ["that is over already", { by: "jti", value: "x", reason: "x", expiresAt: 1 }],
    ["until a fraction of a second", { by: "jti", value: "x", reason: "x", expiresAt: 1.5 }],
  ])("refuses an entry %s", async (_, entry) => {
    expect((await revoke(revoker, entry)).status).toBe(400);
  });

  it.each([
    ["sub", "svc://billing/*", /Patterns do not work/],
    ["sub", "svc:/billing/worker", /amesh token inspect/],
    ["kid", "k", /exactly as the token has it/],
    ["jti", "a:b", /amesh token inspect/],
    ["tenant", "x".repeat(129), /exactly/],
  ])("refuses a %s that no token can have: %s", async (by, value, fix) => {
    const answer = await revoke(revoker, { by, value, reason: "x" });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: "authority_request_invalid", fix: expect.stringMatching(fix) },
    ]);
  });

  it("takes back an entry that no token can have, of the days when that could be made", async () => {
    const entry = { by: "kid", value: "k" } as const;
    await running.authority.state.store.addRevocation({ ...entry, reason: "x", actor: "x", at: 1 });
    const query = new URLSearchParams(entry);
    const answer = await revoker.fetch(`${running.url}/v1/revocations?${query}`, { method: "DELETE" });
    expect(answer.status).toBe(200);
  });

  it.each([
    ["POST", "", /by \(sub, jti, kid or tenant\)/],
    ["DELETE", "?by=x", /GET \/v1\/revocations/],
    ["GET", "?after=x", /after=GENERATION/],
  ])("says of a %s that cannot be read what this endpoint takes", async (method, query, fix) => {
    const init = method === "POST" ? { method, body: "{" } : { method };
    const body = await (await revoker.fetch(`${running.url}/v1/revocations${query}`, init)).json();
    expect(body).toMatchObject({ error: "authority_request_invalid", fix: expect.stringMatching(fix) });
  });
});

it.each([
  ["GET", "/v1/token", "POST"],
  ["PUT", "/v1/revocations", "GET, POST, DELETE"],
  ["POST", "/ready", "GET"],
  ["DELETE", "/v1/token/exchange", "POST"],
])("answers %s %s with the methods that the path takes", async (method, path, allow) => {
  const answer = await fetch(`${running.url}${path}`, { method });
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
});

describe("POST /v1/introspect", () => {
  it("says what a token says while it is good, and nothing of any other", async () => {
    const { token, jti } = await mint(reader);
    expect(await introspect(token)).toMatchObject({ active: true, jti, ...wish, iss: running.url });
    expect(await introspect(token)).toMatchObject({ active: true });
    const [head, payload, signature = ""] = token.split(".");
    const cut = `${head}.${payload}.${signature.slice(0, -2)}${signature.endsWith("AA") ? "BB" : "AA"}`;
    for (const bad of ["", "x", "a.b.c", cut, `${token}.x`])
      expect(await introspect(bad || "x")).toEqual({ active: false });
    await revoke(revoker, { by: "jti", value: jti, reason: "lost" });
    expect(await introspect(token)).toEqual({ active: false });
  });

  it("does not believe a token of another issuer's key", async () => {
    const { createP256Signer } = await import("@authmesh/oath");
    const { token } = await mintToken(
      { sub: "svc://x", ...wish },
      { issuer: running.url, signer: createP256Signer(PrivateKey.generate()) },
    );
    expect(await introspect(token)).toEqual({ active: false });
  });

  it("answers devices alone, and forms alone", async () => {
    const anonymous = await fetch(`${running.url}/v1/introspect`, {
      method: "POST",
      body: new URLSearchParams({ token: "x" }),
    });
    expect(anonymous.status).toBe(400);
    const twice = await reader.fetch(`${running.url}/v1/introspect`, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: "token=a&token=b",
    });
    expect(twice.status).toBe(400);
  });
});

describe("the documents of an issuer", () => {
  const get = (path: string) => fetch(running.url + path);

  it("are its keys, without anything private, and what it says of itself", async () => {
    const answer = await get("/.well-known/jwks.json");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=300");
    const { keys } = await answer.json();
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
    for (const name of ["oauth-authorization-server", "openid-configuration"])
      expect(await (await get(`/.well-known/${name}`)).json()).toMatchObject({
        issuer: running.url,
        jwks_uri: `${running.url}/.well-known/jwks.json`,
        token_endpoint: `${running.url}/v1/token/exchange`,
      });
  });

  it("say that it lives, is ready, and what it has done", async () => {
    await mint(reader);
    expect((await get("/health")).status).toBe(200);
    expect((await get("/ready")).status).toBe(200);
    const text = await (await get("/metrics")).text();
    expect(text).toMatch(/^amesh_authority_tokens_total\{by="mint"\} [1-9]/m);
    expect(text).toMatch(/^amesh_authority_token_request_seconds_count [1-9]/m);
    expect(text).not.toContain(reader.id);
    expect(text).not.toContain("api.example.com");
  });

  it("are problem documents for what is not there", async () => {
    const answer = await get("/nothing");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
  });
});

describe("limits", () => {
  it("hold for each caller and each address, and say when to come again", async () => {
    const slow = await RunningAuthority.start({ limits: { caller: 6, address: 24 } });
    const [one, other] = [await slow.device(), await slow.device()];
    expect((await one.mint(slow.url, wish)).status).toBe(200);
    const limited = await one.mint(slow.url, wish);
    expect(limited.status).toBe(429);
    expect(await limited.json()).toMatchObject({
      error: "rate_limited",
      title: "Too many requests of this device.",
    });
    await vi.waitUntil(() => slow.events.some(({ data }) => data["code"] === "rate_limited"), 5000);
    const [letIn, refused] = slow.events.filter(({ type }) => type.includes(".request.")).slice(-2);
    expect(letIn?.type).toBe("dev.authmesh.request.allowed");
    expect(refused).toMatchObject({
      type: "dev.authmesh.request.refused",
      subject: one.id,
      proven: true,
      data: { code: "rate_limited", step: "limit", after: letIn?.id },
    });
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await other.mint(slow.url, wish)).status).toBe(200);
    expect((await other.mint(slow.url, wish)).status).toBe(429);
    expect((await fetch(`${slow.url}/.well-known/jwks.json`)).status).toBe(429);
    expect((await fetch(`${slow.url}/ready`)).status).toBe(200);
  });
});

const ends: (() => unknown)[] = [];
const onEnd = (end: () => unknown) => void ends.push(end);
afterAll(async () => {
  for (const end of ends) await end();
});
