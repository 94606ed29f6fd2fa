import { join } from "node:path";
import { AmeshError, type AuditEvent } from "@authmesh/core";
import { addDevice, revokeDevice, setScopes } from "@authmesh/keystore";
import type { AuditRecorder } from "@authmesh/oath/audit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SharedDevices } from "../src/devices/shared-devices.js";
import { KeyRing } from "../src/keys/key-ring.js";
import { KeySealing } from "../src/keys/key-sealing.js";
import { openKeyRing } from "../src/keys/open-key-ring.js";
import { openAuthorityState } from "../src/open-state.js";
import { StateTelling } from "../src/state-telling.js";
import { StateWatch } from "../src/state-watch.js";
import { FailingAudit } from "./failing-audit.js";
import { Device, RunningAuthority, secret, silent } from "./running-authority.js";
import { openStore, temporaryFolder } from "./stores.js";

const wish = { aud: "api.example.com", act: "orders.write" };
const env = { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };
const now = 1_800_000_000;

describe("an authority whose audit is required", () => {
  const audit = new FailingAudit();
  let running: RunningAuthority;
  let device: Device;
  beforeAll(async () => {
    running = await RunningAuthority.start({ audit: audit.required }, afterAll);
    device = await running.device({ revocations: "rw" });
  });

  const told = async (answer: Response) => [answer.status, (await answer.json()).error];
  const unavailable = [503, "audit_unavailable"];
  const mint = () => device.mint(running.url, wish);
  const revocations = (init?: RequestInit, query = "") =>
    device.fetch(`${running.url}/v1/revocations${query}`, init);
  const revoked = async () => (await (await revocations()).json()).revocations;
  const revoke = () =>
    revocations({ method: "POST", body: JSON.stringify({ by: "jti", value: "x", reason: "lost" }) });
  const restore = () => revocations({ method: "DELETE" }, "?by=jti&value=x");

  it("gives nobody a token that the audit cannot tell of", async () => {
    expect((await mint()).status).toBe(200);
    const answer = await audit.during("dev.authmesh.token.minted", mint);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await told(answer)).toEqual(unavailable);
    await vi.waitUntil(() => audit.events.some(({ data }) => data["code"] === "audit_unavailable"), 5000);
    expect((await mint()).status).toBe(200);
  });

  it("does not even hear a device whose request the audit cannot tell of", async () => {
    const before = audit.events.length;
    expect(await told(await audit.during("dev.authmesh.request.allowed", mint))).toEqual(unavailable);
    expect(audit.events.slice(before).map(({ type }) => type)).not.toContain("dev.authmesh.token.minted");
  });

  const since = (before: number) => audit.events.slice(before).map(({ type }) => type);

  it("tells of a changed revocation once, and once the audit works where it failed meanwhile", async () => {
    const before = audit.events.length;
    const answer = await audit.during("dev.authmesh.token.revoked", async () => {
      const answer = await revoke();
      const again = await revoke();
      expect(await told(again)).toEqual(unavailable);
      await expectLooks(4);
      return answer;
    });
    expect(answer.status).toBe(201);
    expect(await revoked()).toMatchObject([{ generation: 1, by: "jti", value: "x" }]);
    expect((await restore()).status).toBe(200);
    expect(since(before).filter((type) => type.includes("revo"))).toEqual([
      "dev.authmesh.token.revoked",
      "dev.authmesh.revocation.removed",
    ]);
  });

  it("tells of no change that did not happen", async () => {
    const before = audit.events.length;
    expect((await restore()).status).toBe(404);
    const past = { by: "jti", value: "x", reason: "lost", expiresAt: 1 };
    expect((await revocations({ method: "POST", body: JSON.stringify(past) })).status).toBe(400);
    expect(since(before)).toEqual(["dev.authmesh.request.allowed", "dev.authmesh.request.allowed"]);
  });

  /** Resolves when the replica has compared itself with the database so many times more. */
  async function expectLooks(count: number): Promise<void> {
    const { store } = running.authority.state;
    const looking = vi.spyOn(store, "generations");
    await vi.waitUntil(() => looking.mock.calls.length >= count, 5000);
    looking.mockRestore();
  }

  it("refuses what it would refuse anyway, whatever becomes of the event", async () => {
    const tooLong = () => device.mint(running.url, { ...wish, sub: "svc://device/am_somebodyelse0000" });
    const expected = await told(await tooLong());
    expect(expected).toEqual([403, "mint_denied"]);
    expect(await told(await audit.during("dev.authmesh.token.refused", tooLong))).toEqual(expected);
  });
});

it("signs with no key before the audit was told of it", async () => {
  const store = await openStore({ file: join(temporaryFolder(), "authority.db") });
  const sealing = new KeySealing(Buffer.alloc(32, 7));
  const keys = new KeyRing({ store, sealing, algorithm: "EdDSA", rotateAfter: 86_400, now: Date.now });
  const told: AuditEvent[] = [];
  let full = true;
  const audit: AuditRecorder = {
    working: true,
    hasSinks: true,
    async record(event, ended) {
      ended?.(!full);
      if (full) throw new AmeshError("audit_unavailable");
      told.push(event);
    },
  };
  const telling = new StateTelling({ store, audit, issuer: "https://issuer.example", told() {} });
  const tell = () => telling.tell();
  const devices = new SharedDevices(store);
  const policy = { policy: undefined };
  const readiness = { look: async () => {} };
  const nothing = async () => {};
  const feeds = { refreshKeys: nothing };
  const enrollments = { refresh: nothing, lapse: async () => false };
  const enrolled = { look: nothing, seen() {} };
  const uses = { write: nothing };
  const parts = { store, devices, enrollments, enrolled, uses, keys, feeds, policy, readiness, tell };
  const watch = new StateWatch({ ...parts, logger: silent, now: Date.now });
  const failing = () => expect(watch.look()).rejects.toMatchObject({ code: "audit_unavailable" });
  await failing();
  expect(keys.hasSigner).toBe(false);
  full = false;
  await watch.look();
  const first = keys.signer.publicJwk.kid;

  const person = openKeyRing({ store, sealing });
  await person.rotate({ force: true });
  full = true;
  await failing();
  expect(keys.signer.publicJwk.kid).toBe(first);
  full = false;
  await watch.look();
  const { kid, alg } = person.signer.publicJwk;
  expect(keys.signer.publicJwk.kid).toBe(kid);
  expect(told).toMatchObject([
    { data: { kid: first } },
    { type: "dev.authmesh.key.rotated", data: { kid, alg } },
  ]);
  expect(await store.untold()).toEqual([]);
});

describe("changes of an authority's devices", () => {
  const device = new Device();
  const { id } = device;

  it("are told to the audit, those too that were made while nobody served", async () => {
    const dir = temporaryFolder();
    const state = await openAuthorityState({ dir, env, create: true });
    await state.devices.update((draft) => addDevice(draft, device.entry()));
    await state.close();
    const { authority, events } = await RunningAuthority.start({ dir });
    const { devices } = authority.state;
    await devices.update((draft) => setScopes(draft, { deviceId: id, scopes: { revocations: "rw" } }));
    await devices.update((draft) => revokeDevice(draft, { deviceId: id, now }));
    const about = () => events.filter(({ type }) => type.includes(".device."));
    await vi.waitUntil(() => about().length === 3, 5000);
    const source = authority.issuer;
    const known = { name: "worker", role: "controller", status: "active", addedBy: "manual" };
    expect(about()).toMatchObject([
      { type: "dev.authmesh.device.added", subject: id, source, data: { device: known } },
      {
        type: "dev.authmesh.device.changed",
        subject: id,
        data: { device: { ...known, scopes: { revocations: "rw" } } },
      },
      { type: "dev.authmesh.device.revoked", subject: id, data: { device: { name: "worker" } } },
    ]);
    await vi.waitUntil(async () => (await authority.state.store.untold()).length === 0, 5000);
  });

  it("that were not written are not told of", async () => {
    const { authority } = await RunningAuthority.start();
    const { devices, store } = authority.state;
    const failing = devices.update((draft) => {
      addDevice(draft, device.entry());
      throw new TypeError("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await store.untold()).toEqual([]);
  });
});

describe("a replica without sinks", () => {
  it("leaves what was changed to those that have some", async () => {
    const device = new Device();
    const { authority } = await RunningAuthority.start({ audit: undefined });
    const { devices, store } = authority.state;
    await devices.update((draft) => addDevice(draft, device.entry()));
    await vi.waitUntil(() => devices.findById(device.id, "controller") !== undefined, 5000);
    const types = (await store.untold()).map(({ type }) => type);
    expect(types).toEqual(["dev.authmesh.key.rotated", "dev.authmesh.device.added"]);
    await authority.close();
    const { events } = await RunningAuthority.start({ dir: authority.state.dir });
    await vi.waitUntil(() => types.every((type) => events.some((event) => event.type === type)), 5000);
  });
});
