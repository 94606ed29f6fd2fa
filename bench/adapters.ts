/**
 * What does verification cost a server, in requests a second, beside the one signature it cannot do without? For each
 * adapter three servers, each a process of its own on one core, and the load on another; all get the same bytes.
 * Without Next.js, whose own server would be measured. BENCH_ADAPTERS names some of them, "hono,fetch".
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { PrivateKey, signRequest } from "@authmesh/core";
import type { Guard } from "./adapter-servers.js";
import { median, whole } from "./compare.js";
import { http1, http2, type Load, type Loader } from "./http-load.js";

const calls = 4000;
/** Servers run for days; what counts is how fast code is once the compiler is done with it. */
const warmUpRounds = 4;
const rounds = 3;
const aim = 0.9;

const adapters: Readonly<Record<string, Loader>> = {
  "express-5": http1,
  "express-4": http1,
  "node-http": http1,
  "node-http2": http2,
  fastify: http1,
  hono: http1,
  fetch: http1,
};
const guards: readonly Guard[] = ["verified", "floor", "plain"];

const key = PrivateKey.generate();
const host = "api.example.com";
const body = JSON.stringify({ amount: 100, note: "x".repeat(70) });
const pinned = spawnSync("taskset", ["-acp", "0", String(process.pid)]).status === 0;
const wanted = process.env["BENCH_ADAPTERS"]?.split(",") ?? Object.keys(adapters);

interface Measured {
  /** Requests a second. */
  readonly rate: number;
  /** CPU time of the server's process, in microseconds a request. */
  readonly cpu: number;
}

console.log(
  `Verification in each adapter, POST of ${body.length} bytes, ${pinned ? "server and load on a core each" : "no taskset, cores shared"}, ${rounds} alternated rounds`,
);
row("adapter", "verified/s", "floor/s", "plain/s", "to floor", "by CPU time", "aim", "met");
for (const name of wanted) {
  const loader = adapters[name];
  if (loader === undefined) throw new Error(`There is no adapter ${name}.`);
  const measured = await measure(name, loader);
  const toFloor = ratio(measured, ({ rate }) => rate);
  const byCpu = ratio(measured, ({ cpu }) => 1 / cpu);
  const rates = guards.map((guard) => whole(median(measured[guard].map(({ rate }) => rate))));
  row(name, ...rates, toFloor.toFixed(2), byCpu.toFixed(2), aim.toFixed(2), toFloor >= aim ? "yes" : "NO");
}
console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);

async function measure(name: string, loader: Loader): Promise<Record<Guard, Measured[]>> {
  const servers = await Promise.all(guards.map((guard) => start(name, guard)));
  const measured: Record<Guard, Measured[]> = { verified: [], floor: [], plain: [] };
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    const load = await signedLoad();
    for (const { guard, child, port } of round % 2 === 0 ? servers : [...servers].reverse()) {
      const before = await cpuTime(child);
      const started = performance.now();
      await loader(port, load);
      const rate = (calls / (performance.now() - started)) * 1000;
      const cpu = ((await cpuTime(child)) - before) / calls;
      if (round >= warmUpRounds) measured[guard].push({ rate, cpu });
    }
  }
  for (const { child } of servers) child.disconnect();
  return measured;
}

/** A server that ends with this process. */
async function start(name: string, guard: Guard) {
  const child = fork(fileURLToPath(new URL("adapter-servers.js", import.meta.url)), [
    name,
    guard,
    key.publicKey.base64,
  ]);
  if (pinned) spawnSync("taskset", ["-acp", "1", String(child.pid)]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return { guard, child, port };
}

async function cpuTime(child: ChildProcess): Promise<number> {
  child.send("cpu");
  const [{ user, system }] = (await once(child, "message")) as [NodeJS.CpuUsage];
  return user + system;
}

/** Each request is good once: every round has its own, and every server sees them once. */
async function signedLoad(): Promise<Load> {
  const signer = {
    key: key.publicKey.base64,
    sign: async (m: Parameters<typeof key.sign>[0]) => key.sign(m),
  };
  const url = new URL(`http://${host}/api/orders`);
  const request = { method: "POST", url, body, contentType: "application/json" };
  const authorizations: string[] = [];
  for (let i = 0; i < calls; i++) authorizations.push(await signRequest(request, signer));
  const headers = { host, "content-type": "application/json", "content-length": String(body.length) };
  return { path: url.pathname, headers, body, authorizations, answer: '{"ok":true}' };
}

function ratio(measured: Record<Guard, Measured[]>, of: (measured: Measured) => number): number {
  return median(measured.verified.map((ours, round) => of(ours) / of(measured.floor[round] as Measured)));
}

function row(name: string, ...values: readonly string[]): void {
  console.log(`  ${name.padEnd(12)}${values.map((value) => value.padStart(12)).join("")}`);
}
