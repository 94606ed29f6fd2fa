import { request } from "node:http";
import { fileURLToPath } from "node:url";
import type { Scopes } from "@authmesh/core";
import { addDevice, setMaxControllers } from "@authmesh/keystore";
import { type Client, createClient } from "@authmesh/sdk";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { Program } from "../../../scripts/machines.js";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const program = fileURLToPath(new URL("fixtures/fleet-member.js", import.meta.url));
const host = "fleet.example";
const ended: (() => unknown)[] = [];
const machine = async (name: string) => {
  const made = new TestMachine();
  ended.push(() => made.remove());
  const { deviceId } = await made.init(name);
  const { publicKey } = await made.open();
  return { made, name, deviceId, publicKey };
};
type Machine = Awaited<ReturnType<typeof machine>>;

let redis: RedisServer;
let operator: Machine;
let colleague: Machine;
let stranger: Machine;
let members: readonly Member[];

beforeAll(async () => {
  redis = await RedisServer.start((stop) => void ended.push(stop));
  [operator, colleague, stranger] = await Promise.all([
    machine("operator"),
    machine("colleague"),
    machine("stranger"),
  ]);
  laptops = await Promise.all(Array.from({ length: 13 }, (_, i) => machine(`laptop ${i}`)));
  members = await Promise.all([1, 2, 3].map((n) => startServer(`server ${n}`)));
}, 30_000);
afterAll(async () => {
  for (const end of ended.reverse()) await end();
});

/** Of these each test has one: what is said of it concerns no other. */
let laptops: Machine[];
let laptop: Machine;
let client: Client;
interface Member {
  readonly made: TestMachine;
  readonly server: Program;
  readonly port: number;
}

/** A server that knows the laptops, who may revoke, and who may not. */
async function startServer(name: string): Promise<Member> {
  const { made } = await machine(name);
  const list = await made.openList();
  await list.update((draft) => {
    setMaxControllers(draft, 20);
    const letIn = ({ publicKey, name }: Machine, scopes: Scopes = {}) =>
      addDevice(draft, { ...newEntry, publicKey, friendlyName: name, scopes });
    for (const each of laptops) letIn(each);
    for (const each of [operator, colleague]) letIn(each, { __manage: "rw" });
    letIn(stranger, { "*": "rw" });
  });
  const server = new Program([program, redis.url], { env: { ...made.env } });
  ended.push(() => server.stop());
  return { made, server, port: (await server.event("listening")).port };
}

const newEntry = {
  role: "controller",
  status: "active",
  bound: true,
  addedBy: "handshake",
  now: 1,
} as const;

beforeEach(async () => {
  laptop = laptops.pop() as Machine;
  client = createClient({ identity: await laptop.made.open(), session: true });
  return () => client.close();
});

/** "200 NAME", or status and error. */
async function answer(port: number): Promise<string> {
  const headers = { ...(await client.headers(`http://${host}/`)), host };
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(`${response.statusCode} ${response.statusCode === 200 ? text : JSON.parse(text).error}`);
    });
    sent.on("error", reject).end();
  });
}
const answers = () => Promise.all(members.map(({ port }) => answer(port)));

/** Resolves once connected; `closed` tells how it ended. */
async function connect(port: number): Promise<{ readonly closed: Promise<string> }> {
  const headers = { ...(await client.headers(`http://${host}/`)), host };
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { headers });
  onTestFinished(() => ws.terminate());
  const closed = new Promise<string>((resolve) =>
    ws.on("close", (code, reason) => resolve(`${code} ${reason}`)),
  );
  await new Promise((resolve, reject) => ws.on("message", resolve).on("error", reject));
  return { closed };
}

const everywhere = (by: Machine, ...more: string[]) =>
  by.made.run(["revoke", laptop.deviceId, "--everywhere", "--yes", ...more], {
    env: { AMESH_REDIS_URL: redis.url, REDIS_URL: "redis://127.0.0.1:1" },
  });

describe("amesh revoke --everywhere", () => {
  it("ends requests, sessions and WebSockets at three servers within a second, until it is undone", async () => {
    const sockets = await Promise.all(members.map(({ port }) => connect(port)));
    expect(await answers()).toEqual(Array(3).fill(`200 ${laptop.name}`));
    const revoked = await everywhere(operator, "--reason", "stolen", "--json");
    const started = performance.now();
    expect(documentOf(revoked)).toEqual({
      schema: 1,
      revoked: { deviceId: laptop.deviceId, friendlyName: null, roles: [] },
      replaced: [],
      everywhere: true,
    });
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual(
      Array(3).fill("1008 device_revoked"),
    );
    expect(await answers()).toEqual(Array(3).fill("401 unauthorized"));
    expect(performance.now() - started).toBeLessThan(1000);
    const [{ made: server }] = members as [Member];
    const { fleet } = documentOf(await server.run(["status", "--json"]));
    expect(fleet).toEqual({ revoked: 1, newestAt: expect.any(Number) });
    expect(Date.now() / 1000 - fleet.newestAt).toBeLessThan(60);

    const { stdout, stderr, status } = await everywhere(operator, "--undo");
    expect([status, stderr, stdout]).toEqual([
      0,
      "",
      `✔ ${laptop.deviceId} is no longer revoked by this machine.\n`,
    ]);
    await expect.poll(answers, { interval: 20 }).toEqual(Array(3).fill(`200 ${laptop.name}`));
    expect((await server.run(["status"])).stdout).toMatch(
      /^ {2}Fleet +: 0 devices revoked, the last word at 20/m,
    );
  });

  it("does nothing for a machine without the grant, and the servers' logs say so", async () => {
    const { status, stdout } = await everywhere(stranger);
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining(`✔ ${laptop.deviceId} announced as revoked.\n`),
    ]);
    expect(stdout).toContain("that grant this machine __manage:rw");
    const ignored = `a statement about whom the fleet revokes is ignored: its signer ${stranger.deviceId} may not revoke here`;
    for (const { server } of members)
      await server.line((line) => (line.includes(ignored) ? line : undefined));
    expect(await answers()).toEqual(Array(3).fill(`200 ${laptop.name}`));
  });

  it("is undone by nobody else, who learns who said it", async () => {
    await everywhere(colleague);
    const { status, stderr } = await everywhere(operator, "--undo");
    expect([status, stderr]).toEqual([0, expect.stringContaining(colleague.deviceId)]);
    await expect.poll(answers, { interval: 20 }).toEqual(Array(3).fill("401 unauthorized"));
  });

  it("takes a device of the own list from that, too, by its name", async () => {
    await operator.made.trust("Old Laptop", { publicKey: laptop.publicKey });
    const result = await operator.made.run(["revoke", "Old Laptop", "--everywhere", "--yes"], {
      env: { REDIS_URL: redis.url },
    });
    expect(result.stdout).toContain(
      `✔ "Old Laptop" (${laptop.deviceId}) revoked here, and announced as revoked.\n`,
    );
    expect((await operator.made.openList()).isRevoked(laptop.deviceId)).toBe(true);
    await expect.poll(answers, { interval: 20 }).toEqual(Array(3).fill("401 unauthorized"));
  });
});

describe("amesh revoke refuses", () => {
  it.each<[string, string[], Record<string, string>, string]>([
    ["--undo alone", ["--undo"], {}, "--undo goes with --everywhere"],
    ["a Redis that is not named", ["--everywhere"], {}, "AMESH_REDIS_URL"],
    ["what is no Redis", ["--everywhere"], { AMESH_REDIS_URL: "http://:geheim@x" }, "AMESH_REDIS_URL"],
    [
      "a Redis without a host",
      ["--everywhere"],
      { AMESH_REDIS_URL: "redis:localhost:6379" },
      "AMESH_REDIS_URL",
    ],
    ["a reason of two lines", ["--everywhere", "--reason", "a\nb"], {}, "--reason"],
    ["a prefix with spaces", ["--everywhere", "--prefix", "a b"], {}, "--prefix"],
    ["an authority's list at the same time", ["--everywhere", "--authority", "x"], {}, "--authority"],
  ])("%s", async (_, flags, env, words) => {
    const result = await operator.made.run(["revoke", laptop.deviceId, "--yes", ...flags], { env });
    expect(result).toEqual({ status: 2, ...failed("invalid_option", "amesh revoke --help") });
    expect(result.stderr).toContain(words);
    expect(result.stderr).not.toContain("geheim");
  });

  it("oneself without --yes, and to take that back; with it, it warns", async () => {
    const { made, deviceId } = await machine("leaving");
    const oneself = (...flags: string[]) =>
      made.run(["revoke", deviceId, "--everywhere", ...flags], { env: { AMESH_REDIS_URL: redis.url } });
    const forGood = "nobody can take back what a machine said of itself";
    for (const flags of [[], ["--undo", "--yes"]]) {
      const refused = await oneself(...flags);
      expect(refused).toEqual({ status: 2, ...failed("invalid_option", "amesh revoke --help") });
      expect(refused.stderr).toContain(forGood);
    }
    const { status, stderr } = await oneself("--yes");
    expect([status, stderr]).toEqual([
      0,
      expect.stringContaining(`warning: ${deviceId} is this machine; ${forGood}`),
    ]);
  });

  it("to say that it was told where the Redis is away; this machine's own list is done by then", async () => {
    await operator.made.trust("Other Laptop", { publicKey: laptop.publicKey });
    const result = await operator.made.run(["revoke", laptop.deviceId, "--everywhere", "--yes"], {
      env: { AMESH_REDIS_URL: "redis://:geheim@127.0.0.1:1" },
    });
    expect(result).toEqual({ status: 5, ...failed("revocation_unavailable", "say it once more") });
    expect(result.stderr).not.toContain("geheim");
    expect((await operator.made.openList()).isRevoked(laptop.deviceId)).toBe(true);
  });
});
