import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { PrivateKey, signRequest } from "@authmesh/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SlowLine } from "../packages/sdk/test/redis/slow-line.js";
import { Machines } from "../scripts/machines.js";
import { example, startExample } from "./fixtures/example-server.js";
import { freePort } from "./fixtures/free-port.js";
import { startNginx } from "./fixtures/nginx.js";
import { RedisServer } from "./fixtures/redis-server.js";

const machines = new Machines();
const stops: (() => unknown)[] = [];
const agent = new Agent({ keepAlive: true, maxSockets: 200 });
const ahead = PrivateKey.generate();
const service = "two instances";
let redis: RedisServer;
let line: SlowLine;
let instances: { url: string }[];
let proxy: string;

beforeAll(async () => {
  const stopped = (stop: () => unknown) => void stops.unshift(stop);
  await machines.run(
    service,
    "init",
    "--name",
    service,
    "--max-controllers",
    "2",
    "--backend",
    "encrypted-file",
  );
  const file = join(machines.folder, "public-key");
  writeFileSync(file, ahead.publicKey.base64);
  await machines.run(service, "add", "--name", "clock 20 s ahead", "--public-key", file, "--yes");
  redis = await RedisServer.start(stopped);
  line = await SlowLine.to(redis.port, stopped);
  proxy = `127.0.0.1:${await freePort()}`;
  const env = { REDIS_URL: line.url, AMESH_AUDIENCE: proxy };
  const start = () => startExample(machines, "multi-instance/server.js", service, env);
  instances = await Promise.all([start(), start()]);
  const port = Number(proxy.split(":")[1]);
  await startNginx({ folder: machines.folder, configuration: configureNginx(), port }, stopped);
});

afterAll(async () => {
  agent.destroy();
  await machines.close();
  for (const stop of stops) await stop();
});

/** The example's configuration, with the ports of this run. */
function configureNginx(): string {
  const [one, other] = instances.map(({ url }) => new URL(url).port);
  return readFileSync(example("multi-instance/nginx.conf"), "utf8")
    .replace("3001", String(one))
    .replace("3002", String(other))
    .replace("127.0.0.1:8080", proxy);
}

/** A request as it is captured on its way: whoever has it can send the same bytes anywhere. */
const capture = (aheadSeconds = 20) =>
  signRequest(
    { method: "GET", url: new URL(`http://${proxy}/api/whoami`) },
    {
      key: ahead.publicKey.base64,
      sign: async (message) => ahead.sign(message),
      now: () => Date.now() + aheadSeconds * 1000,
    },
  );

/** Sends a captured request to a server; gives the status. */
function send(url: string, authorization: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { Host: proxy, Authorization: authorization };
    request(`${url}/api/whoami`, { agent, headers }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    })
      .once("error", reject)
      .end();
  });
}

const either = (i: number): string => (instances[i % 2] as { url: string }).url;
const count = (statuses: readonly number[], status: number) =>
  statuses.filter((each) => each === status).length;

/** Sends new requests until one is let in. */
async function untilServed(): Promise<void> {
  for (const { url } of instances)
    await expect.poll(async () => send(url, await capture()), { interval: 10, timeout: 10_000 }).toBe(200);
}

describe("two instances behind nginx, with one Redis", () => {
  test("serve a caller in turn, as the README says", async () => {
    await machines.startRelay();
    const caller = "calling two instances";
    await machines.run(caller, "init", "--name", caller, "--backend", "encrypted-file");
    await machines.pair(caller, service);
    const client = machines.start([example("multi-instance/client.js"), `http://${proxy}`], {
      machine: caller,
    });
    expect(await client.ended).toBe(0);
    expect(client.lines).toHaveLength(4);
    const served = client.lines.map(
      (text) => /^200 \{"caller":"calling two instances","instance":(\d+)\}$/.exec(text)?.[1],
    );
    expect(new Set(served)).toEqual(new Set(instances.map(({ url }) => new URL(url).port)));
  });

  test("accept one of a hundred replays that reach both at once", async () => {
    await untilServed();
    for (const target of [either, () => `http://${proxy}`]) {
      const captured = await capture();
      const statuses = await Promise.all(Array.from({ length: 100 }, (_, i) => send(target(i), captured)));
      expect([count(statuses, 200), count(statuses, 401)]).toEqual([1, 99]);
    }
  });

  test("accept nothing twice while Redis is slow, hangs, is cut off, killed and restarted empty", async () => {
    await untilServed();
    const accepted = new Map<string, number>();
    const statuses = new Map<number, number>();
    const present = async (captured: string, i: number) => {
      const status = await send(either(i), captured);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 200) accepted.set(captured, (accepted.get(captured) ?? 0) + 1);
    };
    /** New requests, each shown to both instances at once and several times; and all those that were accepted, again. */
    const traffic = async () => {
      const captured = await Promise.all(Array.from({ length: 10 }, (_, i) => capture(i % 2 === 0 ? 20 : 0)));
      await Promise.all(
        [...captured, ...accepted.keys()].flatMap((each) => [0, 1, 2, 3].map((i) => present(each, i))),
      );
    };
    const slow = () => {
      line.delayMs = 50;
    };
    const hang = () => {
      line.delayMs = 0;
      redis.pause();
    };
    const faults = [
      slow,
      hang,
      () => redis.resume(),
      () => line.cut(),
      () => redis.kill(),
      () => redis.start(),
    ];
    const servedAfterwards = new Set([faults[2], faults[3]]);
    for (const fault of faults) {
      const around = traffic();
      await fault();
      await around;
      if (servedAfterwards.has(fault)) await untilServed();
      await traffic();
    }
    expect(Math.max(...accepted.values())).toBe(1);
    expect(accepted.size).toBeGreaterThanOrEqual(40);
    expect([...statuses.keys()].sort()).toEqual([200, 401, 503]);
    // Nobody is let in before the epoch of the Redis that forgot is over, and nothing old ever.
    expect(await send(either(0), await capture())).toBe(503);
  });
});
