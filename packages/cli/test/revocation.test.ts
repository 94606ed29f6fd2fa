import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openAuthorityState, openKeyRing } from "@authmesh/authority";
import { mintToken, readToken } from "@authmesh/oath";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Program } from "../../../scripts/machines.js";
import { freePort } from "../../../test/fixtures/free-port.js";
import { TestMachine } from "./fixtures/amesh.js";

const host = new TestMachine();
const operator = new TestMachine();
const worker = new TestMachine();
const service = new TestMachine();
const dir = join(host.folder, "authority");
const env = { AMESH_TPM: undefined, AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };
const rule = { name: "all", caller: "**", audience: "orders", action: "orders.*" };
const programs: Program[] = [];
let url: string;
let receiver: string;
let deviceId: string;

async function enrol(machine: TestMachine, name: string, ...more: string[]): Promise<string> {
  const { publicKey, deviceId } = await machine.init(name);
  const add = ["add", "--authority", dir, "--name", name, "--public-key", "-", "--yes", ...more];
  await host.succeed(add, { input: publicKey, env });
  return deviceId;
}

beforeAll(async () => {
  const port = await freePort();
  url = `http://localhost:${port}`;
  await host.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"], { env });
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [rule] }));
  await enrol(operator, "operator", "--scope", "revocations:rw");
  await enrol(service, "service");
  deviceId = await enrol(worker, "worker");
  const serving = host.start(["authority", "serve", "--dir", dir, "--port", String(port), "--json"], env);
  programs.push(serving);
  await serving.event("listening");
  const program = fileURLToPath(new URL("fixtures/receiver.js", import.meta.url));
  const running = new Program([program, url], { env: { ...service.env } });
  programs.push(running);
  receiver = `http://127.0.0.1:${(await running.event("listening")).port}/`;
}, 30_000);
afterAll(async () => {
  for (const program of programs) await program.stop();
  for (const machine of [host, operator, worker, service]) machine.remove();
});

const mint = ["token", "mint", "--aud", "orders", "--act", "orders.write"];
const minted = async () => (await worker.succeed([...mint, "--authority", url])).stdout.trim();

async function answer(token: string): Promise<string> {
  const response = await fetch(receiver, { headers: { Authorization: `OathMesh ${token}` } });
  const text = await response.text();
  return response.ok ? text : JSON.parse(text).error;
}

/** Milliseconds from the end of the command until the receiver refuses. */
async function untilRevoked(by: string, value: string, ...tokens: readonly string[]): Promise<number> {
  const revoke = ["revoke-token", "--authority", url, `--${by}`, value, "--reason", "test", "--yes"];
  await operator.succeed(revoke);
  const ended = performance.now();
  for (const token of tokens)
    await expect.poll(() => answer(token), { timeout: 5000, interval: 10 }).toBe("revoked");
  return performance.now() - ended;
}

describe("a receiver that follows the authority's list as one of its devices", () => {
  it("refuses what is revoked by token, subject, tenant and key, each within a second and a half", async () => {
    const state = await openAuthorityState({ dir, env });
    const keys = openKeyRing(state);
    await keys.refresh();
    await state.close();
    const tenant = async (name: string) => {
      const claims = { sub: "svc://x", aud: "orders", act: "orders.write", tenant: name };
      return (await mintToken(claims, { issuer: url, signer: keys.signer })).token;
    };
    const [first, second, acme, umbrella] = [
      await minted(),
      await minted(),
      await tenant("acme"),
      await tenant("umbrella"),
    ];
    for (const token of [first, second, acme, umbrella]) expect(await answer(token)).toMatch(/^svc:/);
    const { header, claims } = readToken(first);

    expect(await untilRevoked("jti", String(claims?.jti), first)).toBeLessThan(1500);
    expect(await answer(second)).toBe(`svc://device/${deviceId}`);
    expect(await untilRevoked("sub", `svc://device/${deviceId}`, second)).toBeLessThan(1500);
    expect(await answer(acme)).toBe("svc://x");
    expect(await untilRevoked("tenant", "acme", acme)).toBeLessThan(1500);
    expect(await answer(umbrella)).toBe("svc://x");
    expect(await untilRevoked("kid", String(header?.kid), umbrella)).toBeLessThan(1500);
  }, 30_000);
});
