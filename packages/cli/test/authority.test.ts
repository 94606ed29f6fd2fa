import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readToken, requestHashOf } from "@authmesh/oath";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { newMachine, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const host = new TestMachine();
const dir = join(host.folder, "authority");
const env = { AMESH_TPM: undefined, NO_COLOR: "1", AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };
const rule = { name: "all", caller: "**", subject: "**", audience: "api.example.com", action: "orders.*" };
let url: string;
let serving: ReturnType<TestMachine["start"]>;

beforeAll(async () => {
  const port = await freePort();
  url = `http://localhost:${port}`;
  await host.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"], { env });
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [rule] }));
  serving = host.start(["authority", "serve", "--dir", dir, "--port", String(port), "--json"], env);
  expect(await serving.event("listening")).toMatchObject({ issuer: url });
});
afterAll(async () => {
  await serving.stop();
  host.remove();
});

describe("amesh authority", () => {
  it("gives a device that it knows a token, alone on standard output", async () => {
    const device = await newMachine("worker");
    const key = (await device.open()).publicKey;
    const add = ["add", "--authority", dir, "--name", "worker", "--public-key", "-", "--yes"];
    await host.succeed(add, { input: key.base64, env });
    const mint = ["token", "mint", "--authority", url, "--aud", "api.example.com", "--act", "orders.write"];
    let result = await device.run(mint);
    for (let i = 0; i < 5 && result.status !== 0; i++) result = await device.run(mint);
    expect(result).toMatchObject({ status: 0, stderr: "" });
    const { claims } = readToken(result.stdout.trim());
    expect(claims).toMatchObject({ iss: url, sub: `svc://device/${key.deviceId}`, act: "orders.write" });

    const more = ["--ttl", "30", "--sub", "svc://billing/worker", "--reason", "test", "--json"];
    const document = documentOf(await device.succeed([...mint, ...more]));
    expect(document).toMatchObject({ tokenType: "OathMesh", expiresInSeconds: 30 });
    expect(readToken(document.token).claims).toMatchObject({ sub: "svc://billing/worker", reason: "test" });

    const body = join(device.folder, "order.json");
    writeFileSync(body, '{"amount":100}');
    const request = ["--url", "https://api.example.com/orders?b=2", "--method", "POST", "--body", body];
    const bound = await device.succeed([...mint, ...request, "--content-type", "application/json"]);
    expect(readToken(bound.stdout.trim()).claims?.rqh).toBe(
      requestHashOf({
        method: "POST",
        url: new URL("https://api.example.com/orders?b=2"),
        body: '{"amount":100}',
        contentType: "application/json",
      }),
    );

    const denied = await device.run([...mint.slice(0, -1), "users.delete"]);
    expect(denied.status).toBe(3);
    expect(denied.stderr).toContain("users.delete");

    expect(
      documentOf(await host.succeed(["list", "--authority", dir, "--json"], { env })).devices,
    ).toMatchObject([{ deviceId: key.deviceId }]);
    const revoked = await host.succeed(["revoke", key.deviceId, "--authority", dir, "--yes"], { env });
    expect(revoked.stderr).toContain(`Next: amesh revoke-token --sub svc://device/${key.deviceId} --reason`);
    let after = await device.run(mint);
    for (let i = 0; i < 5 && after.status === 0; i++) after = await device.run(mint);
    expect(after.status).toBe(3);
  });

  it("shows and rotates its signing keys, and says how it stands", async () => {
    const list = async () =>
      documentOf(await host.succeed(["keys", "list", "--dir", dir, "--json"], { env })).keys;
    const before = await list();
    expect(before.map(({ state }: { state: string }) => state).sort()).toEqual(["active", "next"]);
    expect(JSON.stringify(before)).not.toContain("sealed");
    const early = await host.run(["keys", "rotate", "--dir", dir], { env });
    expect(early).toEqual({ status: 1, ...failed("rotation_too_soon", "--force") });
    await host.succeed(["keys", "rotate", "--dir", dir, "--force"], { env });
    expect((await list()).map(({ state }: { state: string }) => state).sort()).toEqual([
      "active",
      "next",
      "retiring",
    ]);
    const status = await host.succeed(["authority", "status", "--dir", dir, "--url", url, "--json"], { env });
    expect(documentOf(status)).toMatchObject({ ready: true, key: expect.any(String) });
    const away = await host.run(["authority", "status", "--dir", dir, "--url", "http://127.0.0.1:9"], {
      env,
    });
    expect(away.status).toBe(5);
  });

  it("is not found where there is none", async () => {
    const result = await host.run(["keys", "list", "--dir", join(host.folder, "none")], { env });
    expect(result).toEqual({ status: 4, ...failed("authority_not_found", "amesh authority init") });
  });

  it.each([
    [["--act", "x"], "--aud is missing"],
    [["--aud", "x"], "--act is missing"],
    [["--aud", "x", "--act", "x", "--authority", "ftp://x"], "--authority"],
    [["--aud", "x", "--act", "x", "--ttl", "301"], "--ttl"],
    [["--aud", "x", "--act", "x", "--method", "POST"], "--url"],
    [["--aud", "x", "--act", "x", "--url", "https://a.example", "--rqh", "sha256:0"], "--rqh"],
  ])("refuses token mint %s", async (args, about) => {
    const device = await newMachine("worker");
    const result = await device.run(["token", "mint", ...args]);
    expect(result.status).toBe(2);
    expect(result.stderr).toContain(about);
  });

  it("keeps the passphrase out of what it writes", () => {
    expect(readFileSync(join(dir, "authority.db"), "latin1")).not.toContain("battery");
  });
});

describe("amesh authority pair", () => {
  it("lets a device in that its operator confirmed, into the authority's list", async () => {
    const relay = host.start(["relay", "--host", "127.0.0.1", "--port", "0", "--json"]);
    onTestFinished(() => relay.stop());
    const at = ["--relay", (await relay.event("listening")).url];
    const device = await newMachine("Dev Laptop");
    const pairing = host.startInTerminal(["authority", "pair", "--dir", dir, ...at], env);
    onTestFinished(() => pairing.stop());
    const [, code = ""] = /: (\d{6})/.exec(await pairing.shows(/Pairing code: .*\d{6}/)) ?? [];
    const inviting = device.startInTerminal(["invite", code, ...at], { NO_COLOR: "1" });
    onTestFinished(() => inviting.stop());
    const [, verification = ""] = /: (\d{6})/.exec(await inviting.shows(/Verification code: \d{6}/)) ?? [];
    await pairing.shows("Verification code shown there: ");
    pairing.type(`${verification}\n`);
    expect(await Promise.all([pairing.ended, inviting.ended])).toEqual([0, 0]);
    const { devices } = documentOf(await host.succeed(["list", "--authority", dir, "--json"], { env }));
    const { deviceId } = (await device.open()).publicKey;
    expect(devices).toContainEqual(expect.objectContaining({ deviceId, role: "controller", bound: true }));
  });
});
