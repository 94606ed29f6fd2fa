import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import type { AmeshError } from "@authmesh/core";
import { addDevice } from "@authmesh/keystore";
import { Agent, fetch as undiciFetch } from "undici";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { makeCertificate } from "../../../test/fixtures/certificates.js";
import { PostgresServer } from "../../../test/fixtures/postgres-server.js";
import { followCertificate } from "../src/http/listen-on.js";
import { runAuthority } from "../src/main.js";
import { openAuthorityState } from "../src/open-state.js";
import { startWarnings } from "../src/start-warnings.js";
import { type AuthorityProcess, authorityEnv as env, startAuthority } from "./authority-process.js";
import { Device, everything, RunningAuthority, secret } from "./running-authority.js";
import { openStore, temporaryFolder } from "./stores.js";

const wish = { aud: "api.example.com", act: "orders.write" };

async function known(dir: string): Promise<Device> {
  const state = await openAuthorityState({ dir, env, create: true });
  const device = new Device();
  await state.devices.update((draft) => addDevice(draft, device.entry()));
  await state.close();
  return device;
}

describe("authmesh-authority", () => {
  it("sets itself up, keeps its keys over restarts, and ends at a signal when it has answered", async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [everything] }));
    const device = await known(dir);
    const first = await startAuthority(dir);
    const kids = async ({ url }: AuthorityProcess) =>
      (await (await fetch(`${url}/.well-known/jwks.json`)).json()).keys.map(
        ({ kid }: { kid: string }) => kid,
      );
    const before = await kids(first);
    expect((await device.mint(first.url, wish)).status).toBe(200);
    first.child.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(first.errors.join("\n")).toContain(`Next: amesh authority pair --dir ${dir}`);
    expect(statSync(join(dir, "authority.db")).mode & 0o077).toBe(0);
    expect(readFileSync(join(dir, "authority.db"), "latin1")).not.toContain(secret);
    const second = await startAuthority(dir);
    expect(await kids(second)).toEqual(before);
  });

  it("loses no revocation that it has confirmed, and no nonce, when it is killed in the midst of writing", async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [everything] }));
    const state = await openAuthorityState({ dir, env, create: true });
    const device = new Device();
    await state.devices.update((draft) => addDevice(draft, device.entry({ revocations: "rw" })));
    await state.close();
    const confirmed: string[] = [];
    for (const round of [0, 1]) {
      const { child, url, ended } = await startAuthority(dir);
      const send = await device.signed(url, wish);
      expect((await send()).status).toBe(200);
      let stop = false;
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; !stop; i++) {
          const value = `${round}-${writer}-${i}`;
          const body = JSON.stringify({ by: "jti", value, reason: "test" });
          const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
          const { status } = await device.fetch(`${url}/v1/revocations`, init).catch(() => ({ status: 0 }));
          if (status === 201) confirmed.push(value);
          if (status !== 201) return;
        }
      });
      await vi.waitUntil(() => confirmed.length > (round + 1) * 15, 20_000);
      child.kill("SIGKILL");
      await ended;
      stop = true;
      await Promise.all(writers);
      const store = await openStore({ file: join(dir, "authority.db") });
      const page = await store.revocationsAfter(0, 10_000);
      const kept = new Set(page?.changes.map(({ value }) => value));
      expect(confirmed.filter((value) => !kept.has(value))).toEqual([]);
      const again = await startAuthority(dir, {
        args: ["--issuer", url, "--audience", new URL(url).host],
      });
      expect((await send(again.url, { Host: new URL(url).host })).status).toBe(401);
      again.child.kill("SIGTERM");
      await again.ended;
    }
  });

  it.each([
    ["--prot", 2],
    ["--port=99999", 2],
    ["--issuer=https://issuer.example.com/path", 2],
    ["--issuer=http://issuer.example.com", 2],
    ["--algorithm=HS256", 2],
    ["--cert=/nowhere", 2],
    ["--redis-prefix=a b", 2],
    ["--limit=x=1", 2],
  ])("says what is wrong with %s", async (arg, status) => {
    const result = await execution([arg]);
    expect(result.status).toBe(status);
    expect(result.stderr).toMatch(/^amesh: error: .*\namesh: hint: /);
  });

  it("names the file of a database's URL that it cannot use, and tells nothing of what is in it", async () => {
    const file = join(temporaryFolder(), "database-url");
    const start = () => execution([], { DATABASE_URL_FILE: file });
    expect(await start()).toEqual({
      status: 2,
      stderr: expect.stringContaining(`DATABASE_URL_FILE names ${file}`),
    });
    writeFileSync(file, "mysql://amesh:hunter2@db.internal/amesh");
    const { status, stderr } = await start();
    expect(status).toBe(2);
    expect(stderr).toContain("DATABASE_URL is not a URL of PostgreSQL.");
    expect(stderr).not.toContain("hunter2");
  });

  it("does not start with a policy that was named and is not there", async () => {
    const result = await execution(["--policy", "/nowhere/policy.yaml"]);
    expect([result.status, result.stderr]).toEqual([
      1,
      expect.stringContaining("There is no /nowhere/policy"),
    ]);
  });

  it("does not start with a policy that cannot be read", async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, "policy.yaml"), "version: 1\nmint:\n  - nmae: x\n");
    const result = await execution(["--dir", dir]);
    expect([result.status, result.stderr]).toEqual([1, expect.stringContaining("authority_policy_invalid")]);
  });
});

async function execution(
  args: readonly string[],
  given: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly stderr: string }> {
  const dir = temporaryFolder();
  let stderr = "";
  const status = await runAuthority(["--dir", dir, ...args], {
    env: { HOME: dir, ...env, ...given },
    stderr: {
      write(text) {
        stderr += text;
      },
    },
  });
  return { status, stderr };
}

describe("an authority whose PostgreSQL goes away", () => {
  it("refuses with 503, is not ready, and recovers by itself", async () => {
    const server = await PostgresServer.start(onTestFinished);
    const url = await server.database("authority");
    const file = join(temporaryFolder(), "database-url");
    writeFileSync(file, `${url}\n`);
    const running = await RunningAuthority.start({ env: { ...env, DATABASE_URL_FILE: file } });
    const device = await running.device();
    expect((await device.mint(running.url, wish)).status).toBe(200);
    await server.kill();
    expect((await device.mint(running.url, wish)).status).toBe(503);
    await vi.waitUntil(async () => (await fetch(`${running.url}/ready`)).status === 503, 10_000);
    expect((await fetch(`${running.url}/.well-known/jwks.json`)).status).toBe(200);
    await server.start();
    await vi.waitUntil(async () => (await fetch(`${running.url}/ready`)).status === 200, 10_000);
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });
});

describe("the warnings at the start", () => {
  it("are of tokens that anybody on the way can read, and of a secret that anybody here can", () => {
    const file = join(temporaryFolder(), "secret");
    writeFileSync(file, secret, { mode: 0o604 });
    const open = { host: "0.0.0.0", env: { AMESH_AUTHORITY_SECRET_FILE: file } };
    expect(startWarnings(open)).toEqual([
      expect.stringContaining("0.0.0.0 without TLS"),
      expect.stringContaining(file),
    ]);
    chmodSync(file, 0o600);
    for (const meant of [{ trustProxy: true }, { tls: { cert: "c", key: "k" } }, { host: "127.0.0.1" }])
      expect(startWarnings({ ...open, ...meant })).toEqual([]);
  });
});

describe("an authority with a certificate", () => {
  it("speaks TLS", async () => {
    const dir = temporaryFolder();
    const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
    await makeCertificate({ cert, key }, { names: ["DNS:localhost"] });
    const { authority } = await RunningAuthority.start({ tls: { cert, key } });
    const agent = new Agent({ connect: { ca: readFileSync(cert) } });
    onTestFinished(() => agent.close());
    const answer = await undiciFetch(`${authority.issuer}/.well-known/openid-configuration`, {
      dispatcher: agent,
    });
    expect(authority.issuer).toMatch(/^https:/);
    expect(await answer.json()).toMatchObject({ issuer: authority.issuer });
  });

  it("says which file of a renewal cannot be used, and stays with what it has", async () => {
    const [cert, key] = [join(temporaryFolder(), "cert.pem"), "/nowhere/key.pem"];
    writeFileSync(cert, "no certificate");
    const server = createTlsServer();
    const told = await new Promise<AmeshError>((resolve) => {
      const stop = followCertificate(server, { cert, key: cert }, resolve, 5);
      onTestFinished(stop);
      writeFileSync(cert, "none either");
      utimesSync(cert, 1, 1);
    });
    expect(told).toMatchObject({
      message: expect.stringContaining(cert),
      fix: expect.stringContaining("PEM"),
    });
    const failing = RunningAuthority.start({ tls: { cert, key } });
    await expect(failing).rejects.toMatchObject({ message: expect.stringContaining(key) });
  });

  it("does not start without its key", async () => {
    const failing = RunningAuthority.start({ tls: { cert: "/nowhere/cert.pem", key: "/nowhere/key.pem" } });
    await expect(failing).rejects.toMatchObject({ code: "authority_cannot_listen" });
  });
});
