/**
 * How many requests a second does a fleet verify, whose processes share what was used in one Redis? Of one process and of
 * two, beside the same ones that remember by themselves, and that verify nothing. With fewer cores than processes, Redis and
 * callers need, requests a second say little of how a fleet grows: what each request takes to compute says it.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { RedisServer } from "../test/fixtures/redis-server.js";
import { median, smoke, whole } from "./compare.js";
import { temporaryFolder } from "./enrolling-authority.js";
import type { FleetSettings } from "./fleet-processes.js";
import { cores, MeasuredServers, type NodeServer, onCore } from "./measured-servers.js";
import { TrustedCaller } from "./trusted-caller.js";
import { Wrk } from "./wrk.js";

const seconds = smoke ? 1 : 5;
const rounds = smoke ? 1 : 5;
const audience = "api.example.com";
const path = "/api/orders?b=2";
const method = "GET";
const target = new URL(`https://${audience}${path}`);
/** Requests a second of one process that there are proofs for; more would be an error. */
let mostRate = smoke ? 4_000 : 8_000;

interface Fleet {
  readonly name: string;
  readonly servers: readonly NodeServer[];
  readonly verifies: boolean;
}

interface Measured {
  readonly rate: number[];
  /** Microseconds of computing for a request, of the servers and of Redis. */
  readonly cpu: number[];
  readonly redis: number[];
}

/** One for each process that is loaded at a time. */
const loaders = [temporaryFolder(), temporaryFolder()].map((folder) => ({
  wrk: new Wrk(folder, onCore(cores.callers)),
  proofs: join(folder, "proofs"),
}));
const stage = new MeasuredServers();
try {
  await measure();
} finally {
  await stage.close();
}

async function measure(): Promise<void> {
  const caller = await TrustedCaller.create();
  const server = await RedisServer.start((stop) => stage.onClose(stop));
  const redis = new Redis(server.url);
  stage.onClose(() => redis.disconnect());
  // They are signed before they are sent.
  const settings: FleetSettings = { identity: caller.identity, audience, clockSkewSeconds: 300 };
  const shared: FleetSettings = { ...settings, redisUrl: server.url };
  const start = (role: string, argument: object) =>
    Promise.all(
      [cores.measured, cores.callers].map((core) =>
        stage.fork({
          program: "fleet-processes.js",
          role,
          argument: JSON.stringify(argument),
          env: caller.env,
          core,
        }),
      ),
    );
  const fleets = [
    ...ofOneAndOfTwo("verifying nothing", false, await start("unguarded", {})),
    ...ofOneAndOfTwo("each remembers", true, await start("guarded", settings)),
    ...ofOneAndOfTwo("one Redis", true, await start("guarded", shared)),
  ];
  const measured = new Map<Fleet, Measured>(fleets.map((fleet) => [fleet, { rate: [], cpu: [], redis: [] }]));
  for (let round = 0; round <= rounds; round++) {
    for (const [fleet, all] of round % 2 === 0 ? measured : [...measured].reverse()) {
      const { rate, cpu, ofRedis } = await load(fleet, redis, caller);
      if (round === 0) continue; // it warms up
      all.rate.push(rate);
      all.cpu.push(cpu);
      all.redis.push(ofRedis);
    }
  }
  report(measured);
}

function ofOneAndOfTwo(name: string, verifies: boolean, servers: readonly NodeServer[]): readonly Fleet[] {
  return [
    { name: `${name}, 1 process`, servers: servers.slice(0, 1), verifies },
    { name: `${name}, ${servers.length} processes`, servers, verifies },
  ];
}

/** As many requests as are answered, by all servers at one time. */
async function load({ servers, verifies }: Fleet, redis: Redis, caller: TrustedCaller) {
  const used = loaders.slice(0, servers.length);
  const count = verifies ? Math.ceil(mostRate * seconds) : 1;
  for (const { proofs } of used)
    writeFileSync(proofs, (await caller.proofs(method, target, "", count)).join("\n"));
  const [before, redisBefore] = [computed(servers), await computedBy(redis)];
  const request = { method, path, host: audience, body: "", again: !verifies, seconds };
  const results = await Promise.all(
    used.map(({ wrk, proofs }, i) => wrk.load({ ...request, proofs, port: servers[i]?.port ?? 0 })),
  );
  if (verifies) mostRate = Math.max(mostRate, ...results.map((each) => 1.5 * each.rate));
  const rate = results.reduce((sum, each) => sum + each.rate, 0);
  const microseconds = (cpu: number) => (cpu / (rate * seconds)) * 1e6;
  return {
    rate,
    cpu: microseconds(computed(servers) - before),
    ofRedis: microseconds((await computedBy(redis)) - redisBefore),
  };
}

function computed(servers: readonly NodeServer[]): number {
  return servers.reduce((sum, server) => sum + server.cpu(), 0);
}

/** Seconds. */
async function computedBy(redis: Redis): Promise<number> {
  const told = await redis.info("cpu");
  return [...told.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].reduce(
    (sum, [, each]) => sum + Number(each),
    0,
  );
}

function report(measured: ReadonlyMap<Fleet, Measured>): void {
  console.log(
    `A fleet of APIs on ${cpus().length} cores: the first process has one, the second shares the other with Redis and the callers; ${rounds} alternated rounds of ${seconds} s`,
  );
  row("", "requests/s", "CPU µs", "a CPU second", "Redis µs");
  for (const [{ name }, { rate, cpu, redis }] of measured) {
    const each = median(cpu);
    row(name, whole(median(rate)), each.toFixed(0), whole(1e6 / each), median(redis).toFixed(1));
  }
  console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);
}

function row(name: string, ...values: readonly string[]): void {
  console.log(`  ${name.padEnd(34)}${values.map((value) => value.padStart(14)).join("")}`);
}
