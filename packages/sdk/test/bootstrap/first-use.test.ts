import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { addDevice, type OpenIdentity, openIdentity } from "@authmesh/keystore";
import { amesh, type ClientIdentity, createClient, type Logger } from "@authmesh/sdk";
import { awaitTarget, machineHosts, provision } from "@authmesh/sdk/bootstrap";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { makeIdentity } from "../fixtures/pair.js";
import { serve } from "../fixtures/servers.js";
import { entriesOf, env, newMachine, summaryOf, temporaryFolder } from "../pairing/machine.js";
import { startRelay } from "../pairing/two-people.js";

const nowhere = "ws://127.0.0.1:9/ws";
const name = "prod-server";
let laptop: OpenIdentity;
let log: ReturnType<typeof newLog>;

beforeAll(() => {
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  vi.stubEnv("AMESH_TPM", undefined);
});
afterAll(() => void vi.unstubAllEnvs());
beforeEach(async () => {
  laptop = await newMachine("Dev Laptop");
  log = newLog();
});

/** Puts a token into the environment, as whoever starts the machine does. */
async function giveToken(more = {}): Promise<string> {
  const { text } = await provision({ identity: laptop, name, relay: nowhere, ...more });
  vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", text);
  onTestFinished(() => void vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", undefined));
  return text;
}

function newLog() {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level}: ${message}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`);
  const logger: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  return { logger, lines, about: (text: string) => lines.filter((line) => line.includes(text)) };
}

/** A server as an application has it: verify(), and nothing that knows of tokens. */
async function startServer(dir: string) {
  const verify = amesh.verify({ allowList: dir, logger: log.logger });
  const { url } = await serve((request, response) => verify(request, response, () => response.end("in")));
  return async (identity: ClientIdentity) => (await createClient({ identity }).fetch(url)).status;
}

/** How many wait at a relay. */
async function waitingAt(relay: string): Promise<number> {
  const metrics = await fetch(relay.replace(/^ws(.*)ws$/, "http$1metrics"));
  return Number(/sessions\{[^}]*"waiting"\} (\d+)/.exec(await metrics.text())?.[1]);
}

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => "no error",
    (error: { code: string }) => error.code,
  );

describe("a server that is started with a token", () => {
  it("makes its identity and lets the controller in, while no relay is there, and shows the token to nobody", async () => {
    const dir = temporaryFolder();
    const token = await giveToken();
    const call = await startServer(dir);
    expect(await call(laptop)).toBe(200);
    expect(await call(makeIdentity())).toBe(401);
    const { identity } = await openIdentity({ dir, env });
    expect(identity.friendlyName).toBe(name);
    expect(log.about("was added")).toEqual([
      `warn: "Dev Laptop" (${laptop.publicKey.deviceId}) was added as controller by AMESH_BOOTSTRAP_TOKEN.`,
    ]);
    for (const part of token.split(".")) expect(log.lines.join("\n")).not.toContain(part);
  });

  it("shows itself in the background to a controller that waits", async () => {
    const relay = await startRelay();
    const dir = temporaryFolder();
    const token = await giveToken({ relay: relay.url });
    const waiting = awaitTarget(token, { identity: laptop });
    await expect.poll(() => waitingAt(relay.url), { interval: 10 }).toBe(1);
    const call = await startServer(dir);
    expect(await call(laptop)).toBe(200);
    const { deviceId } = (await openIdentity({ dir, env })).publicKey;
    expect(await waiting).toMatchObject({ deviceId, friendlyName: name });
    expect(await entriesOf(laptop)).toMatchObject([{ deviceId, role: "target", addedBy: "bootstrap" }]);
    await expect.poll(() => log.about("has listed")).toHaveLength(1);
  });

  it("uses it once for all that is created in the process", async () => {
    const dir = temporaryFolder();
    await giveToken();
    const servers = await Promise.all([startServer(dir), startServer(dir), startServer(dir)]);
    for (const call of servers) expect(await call(laptop)).toBe(200);
    expect(log.about("AMESH_BOOTSTRAP_TOKEN")).toHaveLength(1);
    expect(await summaryOf(await openIdentity({ dir, env }))).toEqual(["Dev Laptop controller active"]);
  });

  it("ignores it with one line when it knows the controller", async () => {
    const server = await newMachine("server");
    await trust(server, laptop);
    await giveToken({ now: () => Date.now() - 7_200_000 });
    const servers = await Promise.all([startServer(server.dir), startServer(server.dir)]);
    for (const call of servers) expect(await call(laptop)).toBe(200);
    expect(log.about("AMESH_BOOTSTRAP_TOKEN")).toEqual([
      `warn: AMESH_BOOTSTRAP_TOKEN is ignored: "Dev Laptop" (${laptop.publicKey.deviceId}) is a controller already.`,
    ]);
  });

  it.each([
    ["bootstrap_token_expired", { now: () => Date.now() - 7_200_000 }],
    ["bootstrap_host_mismatch", { host: "another-machine" }],
  ])("goes on serving who is trusted when it is refused: %s", async (code, more) => {
    const [server, other] = [await newMachine("server", { maxControllers: 2 }), makeIdentity()];
    await trust(server, other);
    await giveToken(more);
    const call = await startServer(server.dir);
    expect(await call(other)).toBe(200);
    expect(await call(laptop)).toBe(401);
    const errors = log.about("error: AMESH_BOOTSTRAP_TOKEN was refused: ");
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`"code":"${code}"`);
    expect(errors[0]).toContain("amesh provision");
  });

  it("makes no identity when it is refused, and lets nobody in", async () => {
    const dir = temporaryFolder();
    await giveToken({ host: "another-machine" });
    const call = await startServer(dir);
    expect(await call(laptop)).toBe(500);
    expect(log.about("nobody can be verified")[0]).toContain("bootstrap_host_mismatch");
    expect(log.about("error: ")).toHaveLength(1);
    expect(existsSync(dir)).toBe(false);
  });

  it.each([undefined, "not a token"])(
    "says once what is missing, however many servers start, with the token %s",
    async (token) => {
      vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", token);
      onTestFinished(() => void vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", undefined));
      const dir = temporaryFolder();
      for (const call of [await startServer(dir), await startServer(dir)])
        expect(await call(laptop)).toBe(500);
      expect(log.about("error: ")).toHaveLength(1);
    },
  );

  it("is let in by its host's name", async () => {
    await giveToken({ host: hostname().toUpperCase() });
    const call = await startServer(temporaryFolder());
    expect(await call(laptop)).toBe(200);
  });
});

describe("a client that is started with a token", () => {
  it("makes its identity", async () => {
    const dir = temporaryFolder();
    await giveToken();
    const { url } = await serve((_, response) => response.end("anybody"));
    expect((await createClient({ dir, logger: log.logger }).fetch(url)).status).toBe(200);
    expect(await summaryOf(await openIdentity({ dir, env }))).toEqual(["Dev Laptop controller active"]);
  });

  it("throws what is wrong with it when there is no identity", async () => {
    const dir = temporaryFolder();
    vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", "not a token");
    onTestFinished(() => void vi.stubEnv("AMESH_BOOTSTRAP_TOKEN", undefined));
    const client = createClient({ dir, logger: log.logger });
    expect(await codeOf(client.fetch("http://127.0.0.1:9"))).toBe("bootstrap_token_invalid");
    expect(log.lines.join("\n")).not.toContain("not a token");
  });
});

it("a machine goes by its host name and by its audience, without ports", () => {
  const hosts = machineHosts({ AMESH_AUDIENCE: "api.example.com, localhost:3000" });
  expect(hosts).toEqual([hostname(), "api.example.com", "localhost"]);
});

async function trust(machine: OpenIdentity, { publicKey }: ClientIdentity): Promise<void> {
  const entry = {
    publicKey,
    friendlyName: "known",
    role: "controller",
    status: "active",
    bound: true,
  } as const;
  const list = await machine.openAllowList();
  await list.update((draft) => addDevice(draft, { ...entry, addedBy: "manual", now: 1_800_000_000 }));
}
