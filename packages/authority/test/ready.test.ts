import { join } from "node:path";
import { createClient } from "@libsql/client";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openKeyRing } from "../src/keys/open-key-ring.js";
import { FailingAudit } from "./failing-audit.js";
import { type Device, RunningAuthority } from "./running-authority.js";

const wish = { aud: "api.example.com", act: "orders.write" };

const isReady = async ({ url }: RunningAuthority) => {
  const answer = await fetch(`${url}/ready`);
  return answer.ok ? "ready" : `${answer.status} ${(await answer.json()).error}`;
};
const becomes = (running: RunningAuthority, expected: string) =>
  vi.waitFor(async () => expect(await isReady(running)).toBe(expected), { timeout: 5000, interval: 50 });

const revocations = (device: Device, { url }: RunningAuthority, method: string, by: string, value: string) =>
  method === "POST"
    ? device.fetch(`${url}/v1/revocations`, { method, body: JSON.stringify({ by, value, reason: "lost" }) })
    : device.fetch(`${url}/v1/revocations?${new URLSearchParams({ by, value })}`, { method });

describe("what is revoked", () => {
  it("gets no token: a subject, by whomever it is asked for, and a device whose own subject it is", async () => {
    const running = await RunningAuthority.start();
    const [device, other] = [await running.device({ revocations: "rw" }), await running.device()];
    const sub = "svc://billing/worker";
    const asked = async (caller: Device, more = {}) => {
      const answer = await caller.mint(running.url, { ...wish, ...more });
      return [answer.status, (await answer.json()).error];
    };
    expect(await asked(other, { sub })).toEqual([200, undefined]);
    await revocations(device, running, "POST", "sub", sub);
    expect(await asked(other, { sub })).toEqual([403, "revoked"]);
    expect(running.events.at(-1)).toMatchObject({
      type: "dev.authmesh.token.refused",
      subject: other.id,
      data: { code: "revoked", asked: { sub } },
    });
    expect(await asked(other)).toEqual([200, undefined]);
    await revocations(device, running, "POST", "sub", `svc://device/${other.id}`);
    expect(await asked(other)).toEqual([403, "revoked"]);
    expect(await asked(other, { sub: "svc://reports/worker" })).toEqual([403, "revoked"]);
    expect(await (await fetch(`${running.url}/metrics`)).text()).toContain(
      'refusals_total{code="revoked"} 3',
    );
    await revocations(device, running, "DELETE", "sub", sub);
    expect(await asked(device, { sub })).toEqual([200, undefined]);
  });

  it("signs nothing: with a revoked key nothing is minted until another one signs", async () => {
    const running = await RunningAuthority.start();
    const { store, sealing } = running.authority.state;
    const device = await running.device({ revocations: "rw" });
    const { keys } = await (await fetch(`${running.url}/.well-known/jwks.json`)).json();
    const active = (await store.readKeys()).find(({ state }) => state === "active");
    expect(keys).toContainEqual(expect.objectContaining({ kid: active?.kid }));
    await revocations(device, running, "POST", "kid", active?.kid ?? "");
    const answer = await device.mint(running.url, wish);
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { error: "signing_key_revoked", fix: expect.stringContaining("amesh keys rotate") },
    ]);
    await becomes(running, "503 signing_key_revoked");
    await openKeyRing({ store, sealing }).rotate({ force: true });
    await becomes(running, "ready");
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });
});

describe("an authority is not ready, and is again,", () => {
  it("while its database takes no writes", async () => {
    const running = await RunningAuthority.start();
    const device = await running.device();
    const database = createClient({ url: `file:${join(running.authority.state.dir, "authority.db")}` });
    onTestFinished(() => database.close());
    await database.execute(
      "create trigger full before insert on nonces begin select raise(abort, 'disk full'); end",
    );
    expect((await device.mint(running.url, wish)).status).toBe(503);
    expect(await isReady(running)).toBe("503 database_unavailable");
    await database.execute("drop trigger full");
    await becomes(running, "ready");
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });

  it("while a required audit keeps nothing", async () => {
    const audit = new FailingAudit();
    const running = await RunningAuthority.start({ audit: audit.required });
    const device = await running.device();
    await audit.during("dev.authmesh.token.minted", async () => {
      expect((await device.mint(running.url, wish)).status).toBe(503);
      expect(await isReady(running)).toBe("503 audit_unavailable");
    });
    await becomes(running, "ready");
  });
});
