import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  addDevice,
  createIdentity,
  finishMigration,
  forgetPrevious,
  type OpenIdentity,
  openIdentity,
  prepareMigration,
  revokeDevice,
  setAudience,
} from "@authmesh/keystore";
import { amesh, createClient, type Decision, type VerifyOptions } from "@authmesh/sdk";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { LocalTrust } from "../src/local-trust.js";
import { makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-sdk-"));
const dir = join(folder, "server");
const file = join(dir, "allow_list.json");
const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
const caller = makeIdentity();
const client = createClient({ identity: caller });
let server: OpenIdentity;

beforeAll(async () => {
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);

  await createIdentity({ dir, env, friendlyName: "server", argon2 });
  server = await openIdentity({ dir, env });
});

beforeEach(async () => trustCaller());

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function trustCaller(identity = server): Promise<void> {
  const list = await identity.openAllowList();
  const { publicKey } = caller;
  await list.update((draft) =>
    addDevice(draft, {
      publicKey,
      friendlyName: "caller",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: true,
      acceptRevoked: true,
      now: 1_800_000_000,
    }),
  );
}

async function startServer(options: VerifyOptions = {}) {
  const decisions: Decision[] = [];
  const verify = amesh.verify({
    allowList: dir,
    logger: silent,
    onDecision: (d) => void decisions.push(d),
    ...options,
  });
  const { url, host } = await serve((request, response) => {
    verify(request, response, () => response.end("in"));
  });
  const reason = () => {
    const last = decisions.at(-1);
    return last?.allowed === false ? last.failure.code : "allowed";
  };
  return { url, host, reason, call: async () => (await client.fetch(url)).status };
}

test("a running server lets a session in, and out when its device is revoked in the file", async () => {
  const { url, reason } = await startServer();
  const withSessions = createClient({ identity: caller, session: true });
  expect((await withSessions.fetch(url)).status).toBe(200);
  const list = await server.openAllowList();
  const { deviceId } = caller.publicKey;
  await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_800_000_001 }));
  await expect.poll(async () => (await withSessions.fetch(url)).status, { timeout: 2000 }).toBe(401);
  expect(reason()).toBe("device_revoked");
  await withSessions.close();
});

test("a running server notices a revocation, and a pairing, without a restart", async () => {
  const { call, reason } = await startServer();
  expect(await call()).toBe(200);
  const list = await server.openAllowList();
  await list.update((draft) =>
    revokeDevice(draft, { deviceId: caller.publicKey.deviceId, now: 1_800_000_001 }),
  );
  await expect.poll(call, { timeout: 2000 }).toBe(401);
  expect(reason()).toBe("device_revoked");
  await trustCaller();
  await expect.poll(call, { timeout: 2000 }).toBe(200);
});

test("a running server lets nobody in on an edited list, and recovers with a good one", async () => {
  const { call, reason } = await startServer();
  expect(await call()).toBe(200);
  const good = readFileSync(file, "utf8");
  writeFileSync(file, good.replace('"caller"', '"someone"'));
  await expect.poll(call, { timeout: 2000 }).toBe(500);
  expect(reason()).toBe("allow_list_integrity_failure");
  writeFileSync(file, good);
  await expect.poll(call, { timeout: 2000 }).toBe(200);
});

test("an older list is refused by a running server and by a new one, and both answer alike", async () => {
  const older = readFileSync(file);
  const list = await server.openAllowList();
  await list.update((draft) =>
    revokeDevice(draft, { deviceId: caller.publicKey.deviceId, now: 1_800_000_001 }),
  );
  const running = await startServer();
  expect(await running.call()).toBe(401);
  const newest = readFileSync(file);
  writeFileSync(file, older);
  await expect.poll(running.call, { timeout: 2000 }).toBe(500);
  const fresh = await startServer();
  const response = await client.fetch(fresh.url);
  expect([response.status, await response.text()]).toEqual([500, '{"error":"allow_list_integrity_failure"}']);
  expect([running.reason(), fresh.reason()]).toEqual(["allow_list_rollback", "allow_list_rollback"]);
  writeFileSync(file, newest);
});

test("a server without an identity lets nobody in and says why, and recovers once there is one", async () => {
  const late = join(folder, "late");
  const errors: string[] = [];
  const logger = { ...silent, error: (message: string) => void errors.push(message) };
  const { call, reason } = await startServer({ allowList: late, logger });
  expect(await call()).toBe(500);
  expect(reason()).toBe("verifier_not_ready");
  expect(errors[0]).toMatch(/nobody can be verified/);
  await createIdentity({
    dir: late,
    env,
    friendlyName: "late",
    argon2,
  });
  await expect.poll(call, { timeout: 5000 }).toBe(401);
  expect(reason()).toBe("device_unknown");
});

test("the sealed audience is used when no option names one, and changes without a restart", async () => {
  const { call, host, reason } = await startServer();
  const list = await server.openAllowList();
  await list.update((draft) => setAudience(draft, ["elsewhere.example"]));
  await expect.poll(call, { timeout: 2000 }).toBe(401);
  expect(reason()).toBe("host_mismatch");
  await list.update((draft) => setAudience(draft, [host]));
  await expect.poll(call, { timeout: 2000 }).toBe(200);
  await list.update((draft) => setAudience(draft, []));
});

test("a server without an audience warns once", async () => {
  const warnings: string[] = [];
  const logger = { ...silent, warn: (message: string) => void warnings.push(message) };
  const { call } = await startServer({ logger });
  await call();
  await call();
  expect(warnings.filter((message) => message.includes("no audience"))).toHaveLength(1);
});

/** A server of its own in an encrypted file, which trusts the caller. */
async function newServer(name: string): Promise<OpenIdentity> {
  const own = { dir: join(folder, name), env };
  await createIdentity({ ...own, friendlyName: name, argon2 });
  const open = await openIdentity(own);
  await trustCaller(open);
  return open;
}

test("a running server goes over to the key its identity moved to, without a restart", async () => {
  const { dir: moving } = await newServer("moving");
  const tpm = await SoftwareTpm.start(onTestFinished);
  vi.stubEnv("AMESH_TPM", tpm.address);
  const { call, reason } = await startServer({ allowList: moving });
  expect(await call()).toBe(200);
  await prepareMigration({ dir: moving });
  expect(await call()).toBe(200);
  await finishMigration({ dir: moving });
  const list = await (await openIdentity({ dir: moving })).openAllowList();
  await list.update((draft) =>
    revokeDevice(draft, { deviceId: caller.publicKey.deviceId, now: 1_800_000_001 }),
  );
  await expect.poll(call, { timeout: 5000 }).toBe(401);
  expect(reason()).toBe("device_revoked");
  await trustCaller(await openIdentity({ dir: moving }));
  await expect.poll(call, { timeout: 5000 }).toBe(200);
});

test("a running server that was not called meanwhile goes over when the old key is deleted already", async () => {
  const { dir: moving } = await newServer("idle");
  const tpm = await SoftwareTpm.start(onTestFinished);
  vi.stubEnv("AMESH_TPM", tpm.address);
  const { call } = await startServer({ allowList: moving });
  expect(await call()).toBe(200);
  await prepareMigration({ dir: moving });
  await finishMigration({ dir: moving });
  await forgetPrevious({ dir: moving });
  await expect.poll(call, { timeout: 5000 }).toBe(200);
});

test("a running server sees a revocation that an older list takes back before the next request", async () => {
  const { dir: quiet } = await newServer("quiet");
  const trust = new LocalTrust(quiet, silent);
  await trust.ready();
  const { call, reason } = await startServer({ allowList: trust });
  expect(await call()).toBe(200);
  const before = readdirSync(quiet).map((name) => [name, readFileSync(join(quiet, name))] as const);
  const list = await (await openIdentity({ dir: quiet })).openAllowList();
  const noticed = new Promise<void>((resolve) => trust.onChange(resolve));
  await list.update((draft) =>
    revokeDevice(draft, { deviceId: caller.publicKey.deviceId, now: 1_800_000_001 }),
  );
  await noticed;
  for (const [name, content] of before) writeFileSync(join(quiet, name), content);
  await expect.poll(call, { timeout: 5000 }).toBe(500);
  expect(reason()).toBe("allow_list_rollback");
});

test("a running server goes over to no identity that only stands in files", async () => {
  const { dir: attacked } = await newServer("attacked");
  const { dir: planted } = await newServer("planted");
  const { call, reason } = await startServer({ allowList: attacked });
  expect(await call()).toBe(200);
  const own = readFileSync(join(attacked, "identity.json"));
  for (const name of readdirSync(planted)) cpSync(join(planted, name), join(attacked, name));
  writeFileSync(join(attacked, "identity.previous.json"), own);
  const now = performance.now.bind(performance);
  onTestFinished(() => void vi.restoreAllMocks());
  for (const later of [2000, 4000, 6000]) {
    vi.spyOn(performance, "now").mockImplementation(() => now() + later);
    expect(await call()).toBe(500);
  }
  expect(reason()).toBe("verifier_not_ready");
  expect(await (await startServer({ allowList: attacked })).call()).toBe(200);
  const { deviceId } = JSON.parse(own.toString());
  vi.stubEnv("AMESH_DEVICE_ID", deviceId);
  const pinned = await startServer({ allowList: attacked });
  expect([await pinned.call(), pinned.reason()]).toEqual([500, "verifier_not_ready"]);
  vi.stubEnv("AMESH_DEVICE_ID", undefined);
});
