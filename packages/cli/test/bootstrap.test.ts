import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type BootstrapToken, readBootstrapToken } from "@authmesh/core";
import { type ProvisionOptions, provision } from "@authmesh/sdk/bootstrap";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Program } from "../../../scripts/machines.js";
import { newMachine, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const host = new TestMachine();
let relay: Program;
let url: string;
let laptop: TestMachine;

beforeAll(async () => {
  relay = host.start(["relay", "--host", "127.0.0.1", "--port", "0", "--json"]);
  url = (await relay.event("listening")).url;
});
afterAll(async () => {
  await relay.stop();
  host.remove();
});
beforeEach(async () => {
  laptop = await newMachine("Dev Laptop");
});

/** A machine without an identity. */
function newServer(): TestMachine {
  const machine = new TestMachine();
  delete machine.env["AMESH_TPM"]; // one that is named and cannot be used is no reason to do without
  onTestFinished(() => machine.remove());
  return machine;
}

/** A token as `amesh provision` makes it, without the time that a command takes. */
const makeToken = async (more: Partial<ProvisionOptions> = {}): Promise<string> => {
  const relay = "ws://127.0.0.1:9/ws";
  return (await provision({ identity: await laptop.open(), name: "prod-server", relay, ...more })).text;
};
const read = (token: string) => readBootstrapToken(token) as BootstrapToken;
const idOf = async (machine: TestMachine) => (await machine.open()).publicKey.deviceId;

describe("amesh provision", () => {
  it("prints the token alone on standard output, and beside it what it rests on", async () => {
    const { stdout, stderr } = await laptop.succeed(["provision", "--name", "prod-server", "--ttl", "1h"]);
    const token = read(stdout.trimEnd());
    expect(stdout).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(token).toMatchObject({ name: "prod-server", host: undefined, relay: "ws://127.0.0.1:9/ws" });
    expect(token.expiresAt - token.issuedAt).toBe(3600);
    expect(stderr).toContain("Its security is that of the channel");
    expect(stderr).not.toContain(stdout.trimEnd());
    expect(stderr).not.toContain(token.jti);
  });

  it("says the same in one line of JSON", async () => {
    const { stdout } = await laptop.succeed([
      "provision",
      ...["--name", "prod-server", "--ttl", "24h", "--host", "API-1", "--relay", url, "--json"],
    ]);
    const { token, ...said } = JSON.parse(stdout);
    const { host, expiresAt } = read(token);
    expect(host).toBe("api-1");
    expect(said).toEqual({ event: "token", name: "prod-server", host: "api-1", relay: url, expiresAt });
  });

  it.each<[string, string[], string]>([
    ["without a name", ["--ttl", "1h"], "--name is missing"],
    ["for more than a day", ["--name", "a", "--ttl", "25h"], "lives 24 hours at most"],
    ["for a host that is none", ["--name", "a", "--host", "a b"], "is not the host name"],
    ["of a token that is there, but not waiting", ["--token", "-"], "--token is for --wait alone"],
    ["of a token under another name", ["--token", "-", "--wait", "--name", "a"], "--name does not go with"],
  ])("is a usage error %s", async (_, args, text) => {
    const { status, stdout, stderr } = await laptop.run(["provision", ...args], { input: "" });
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(text);
  });
});

describe("amesh bootstrap", () => {
  it("makes the identity and lets the controller in, without a relay; again it says that it did", async () => {
    const server = newServer();
    const env = { AMESH_BOOTSTRAP_TOKEN: await makeToken() };
    const first = await server.succeed(["bootstrap"], { env });
    const [laptopId, serverId] = [await idOf(laptop), await idOf(server)];
    expect(first.stdout).toBe(
      `Identity created: "prod-server" (${serverId}).\n✔ "Dev Laptop" (${laptopId}) added as controller.\n`,
    );
    expect(first.stderr).toContain("does not list this machine yet");
    expect(first.stdout + first.stderr).not.toContain(env.AMESH_BOOTSTRAP_TOKEN);
    expect(await server.devices()).toMatchObject([
      { deviceId: laptopId, role: "controller", status: "active", addedBy: "bootstrap", bound: true },
    ]);
    const again = await server.succeed(["bootstrap", "--json"], { env });
    expect(documentOf(again)).toMatchObject({
      outcome: "known",
      created: false,
      device: { deviceId: serverId },
      controller: { deviceId: laptopId, friendlyName: "Dev Laptop" },
      listed: false,
    });
  });

  it("meets a controller that waits, which then lists the machine", async () => {
    const server = newServer();
    const waiting = laptop.start(["provision", "--name", "prod-server", "--relay", url, "--wait"]);
    onTestFinished(() => waiting.stop());
    const token = await waiting.line((line) => (line.startsWith("eyJ") ? line : undefined));
    const env = { AMESH_BOOTSTRAP_TOKEN: token };
    await expect
      .poll(async () => documentOf(await server.succeed(["bootstrap", "--json"], { env })).listed)
      .toBe(true);
    expect(await waiting.ended).toBe(0);
    const serverId = await idOf(server);
    expect(waiting.lines).toEqual([token]);
    expect(waiting.errors.join("\n")).toContain(`✔ "prod-server" (${serverId}) added as target.`);
    expect(await laptop.devices()).toMatchObject([
      { deviceId: serverId, role: "target", status: "active", addedBy: "bootstrap" },
    ]);
  });

  it("may come before the controller waits, with its token from a file", async () => {
    const server = newServer();
    const file = join(server.folder, "token");
    writeFileSync(file, `${await makeToken({ relay: url })}\n`);
    await server.succeed(["bootstrap", "--token", file]);
    const waiting = laptop.start(["provision", "--wait", "--token", file, "--json"]);
    onTestFinished(() => waiting.stop());
    await expect
      .poll(async () => documentOf(await server.succeed(["bootstrap", "--token", file, "--json"])).listed)
      .toBe(true);
    expect(await waiting.event("paired")).toEqual({
      event: "paired",
      deviceId: await idOf(server),
      role: "target",
      friendlyName: "prod-server",
      updated: false,
    });
    expect(await waiting.ended).toBe(0);
  });

  it("reads standard input", async () => {
    const server = newServer();
    const token = await makeToken({ host: hostname() });
    const { stdout } = await server.succeed(["bootstrap", "--token", "-"], { input: `${token}\n` });
    expect(stdout).toContain("added as controller");
  });

  it("says in one sentence that a token is no argument", async () => {
    const { status, stderr } = await newServer().run(["bootstrap", "eyJhbGciOiJFUzI1NiJ9"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/got 1\. \(invalid_option\)/);
  });

  it("asks for a token when there is none, and repeats none that it is given as an argument", async () => {
    const server = newServer();
    expect(await server.run(["bootstrap"])).toEqual({
      status: 2,
      ...failed("input_required", "Set AMESH_BOOTSTRAP_TOKEN"),
    });
    const token = await makeToken();
    const { status, stdout, stderr } = await server.run(["bootstrap", "--token", token]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).not.toContain(token.slice(0, 40));
  });

  it.each<[number, string, () => Promise<string>]>([
    [3, "bootstrap_token_invalid", async () => `${(await makeToken()).slice(0, -4)}AAAA`],
    [3, "bootstrap_host_mismatch", () => makeToken({ host: "another" })],
  ])("ends with %d for %s and makes no identity", async (status, code, make) => {
    const server = newServer();
    const env = { AMESH_BOOTSTRAP_TOKEN: await make() };
    expect(await server.run(["bootstrap"], { env })).toEqual({ status, ...failed(code, "amesh provision") });
    expect((await server.run(["list"])).status).toBe(4);
  });

  it("refuses a controller that was revoked, and one too many", async () => {
    const server = newServer();
    await server.succeed(["bootstrap"], { env: { AMESH_BOOTSTRAP_TOKEN: await makeToken() } });
    const laptopId = await idOf(laptop);
    await server.succeed(["revoke", laptopId, "--yes"]);
    const revoked = await server.run(["bootstrap"], { env: { AMESH_BOOTSTRAP_TOKEN: await makeToken() } });
    expect(revoked).toEqual({ status: 3, ...failed("device_revoked", "pair the machines again") });
    await server.trust("another laptop");
    laptop = await newMachine("third laptop");
    const full = await server.run(["bootstrap"], { env: { AMESH_BOOTSTRAP_TOKEN: await makeToken() } });
    expect(full).toEqual({ status: 1, ...failed("controller_limit_reached", "revoke it") });
  });
});
