/**
 * What does the gateway cost, in requests a second and in what it adds to each? Beside the service alone, nginx in front of
 * it, nginx that asks `amesh gateway authz`, and the thinnest proxy of Node.js; all in one run, with requests that are each
 * signed for one round. BENCH_GATEWAY names some of the loads, "device,token".
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median, smoke, whole } from "./compare.js";
import { GatewayStage, host } from "./gateway-stage.js";
import { cores, onCore, type Started } from "./measured-servers.js";
import { Wrk } from "./wrk.js";

const seconds = smoke ? 1 : 5;
const rounds = smoke ? 1 : 5;
const steady = 500;
const aim = 0.85;
const verifications = smoke ? 500 : 20_000;
const path = "/api/orders?b=2";

interface Kind {
  readonly title: string;
  readonly method: string;
  readonly body: string;
  /** Good for any number of requests. */
  readonly again: boolean;
  /** Whether nginx can ask about it: it sends no bodies along. */
  readonly asked: boolean;
}

const kinds: Readonly<Record<string, Kind>> = {
  device: { title: "GET that a device signed", method: "GET", body: "", again: false, asked: true },
  token: { title: "GET with a token (until-expiry)", method: "GET", body: "", again: true, asked: true },
  upload: {
    title: "POST of 10 KB that a device signed",
    method: "POST",
    body: "x".repeat(10_240),
    again: false,
    asked: false,
  },
};

interface Subject {
  readonly name: "service" | "nginx" | "nginx+authz" | "bare proxy" | "gateway";
  readonly port: number;
  /** What computes for it, the service aside. */
  readonly processes: readonly Started[];
  readonly verifies: boolean;
}

interface Measured {
  readonly rate: number[];
  /** Microseconds of computing, a request. */
  readonly cpu: number[];
  readonly p50: number[];
  readonly p99: number[];
}

const stage = await GatewayStage.open();
const wrk = new Wrk(stage.folder, onCore(cores.callers));
const service = await stage.startService();
const to = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://service;`;
const servers = `upstream service { server 127.0.0.1:${service.port}; keepalive 64; keepalive_requests 100000000; }`;
const nginx = await stage.startNginx(cores.measured, () => `location / { ${to} }`, servers);
const authz = await stage.startAuthz();
const asking = await stage.startNginx(
  cores.measured,
  () => askingLocations(service.port),
  askingServers(authz.port),
);
const bare = await stage.startNode("bare", `http://127.0.0.1:${service.port}`);
const gateway = await stage.startGateway(service);
const guard = await stage.startGuard();

const subjects: readonly Subject[] = [
  { name: "service", port: service.port, processes: [], verifies: false },
  { name: "nginx", port: nginx.port, processes: [nginx], verifies: false },
  { name: "bare proxy", port: bare.port, processes: [bare], verifies: false },
  { name: "nginx+authz", port: asking.port, processes: [asking, authz], verifies: true },
  { name: "gateway", port: gateway.port, processes: [gateway], verifies: true },
];

console.log(
  `The gateway and other proxies, each on one core, callers and service on another; ${rounds} alternated rounds of ${seconds} s, 32 connections`,
);
const wanted = process.env["BENCH_GATEWAY"]?.split(",") ?? Object.keys(kinds);
try {
  for (const name of wanted) {
    const kind = kinds[name];
    if (kind === undefined) throw new Error(`There is no load ${name}.`);
    await measure(kind);
  }
} finally {
  await stage.close();
}

async function measure(kind: Kind): Promise<void> {
  const present = subjects.filter(({ name }) => kind.asked || name !== "nginx+authz");
  const measured = new Map<Subject, Measured>(
    present.map((subject) => [subject, { rate: [], cpu: [], p50: [], p99: [] }]),
  );
  const verified = { rate: [] as number[], cpu: [] as number[] };
  /** Requests a second that there are proofs for; more would be answered with an error. */
  let mostRate = 8_000;
  for (let round = 0; round <= rounds; round++) {
    const ordered = round % 2 === 0 ? present : [...present].reverse();
    for (const subject of ordered) {
      const before = computed(subject);
      const once = subject.verifies && !kind.again;
      const full = await load(kind, subject, once ? mostRate * seconds : 1, {});
      const cpu = ((computed(subject) - before) / (full.rate * seconds)) * 1e6;
      const calm = await load(kind, subject, once ? 2 * steady * seconds : 1, { rate: steady });
      if (subject.verifies) mostRate = Math.max(mostRate, 1.5 * full.rate);
      if (round === 0) continue; // it warms up
      const all = measured.get(subject) as Measured;
      all.rate.push(full.rate);
      all.cpu.push(cpu);
      all.p50.push(calm.p50);
      all.p99.push(calm.p99);
    }
    const { method, body } = kind;
    const proofs = await proofsFor(kind, verifications);
    const alone = await guard.verify({ proofs, method, target: path, body });
    if (round === 0) continue;
    verified.rate.push(alone.rate);
    verified.cpu.push(alone.cpu);
  }
  report(kind, measured, verified);
}

async function load(
  kind: Kind,
  { port, verifies }: Subject,
  count: number,
  pace: { readonly rate?: number },
): Promise<{ rate: number; p50: number; p99: number }> {
  const proofs = await proofsFor(kind, Math.ceil(count));
  const again = kind.again || !verifies;
  return wrk.load({ ...kind, ...pace, port, path, host, proofs, again, seconds });
}

function proofsFor({ again, method, body }: Kind, count: number): Promise<string> {
  return again ? stage.mint(count) : stage.sign(method, path, body, count);
}

function computed({ processes }: Subject): number {
  return processes.reduce((sum, each) => sum + each.cpu(), 0);
}

function report(
  { title }: Kind,
  measured: ReadonlyMap<Subject, Measured>,
  verified: { readonly rate: readonly number[]; readonly cpu: readonly number[] },
): void {
  console.log(title);
  row("", "requests/s", "CPU µs", `p50 ms at ${steady}/s`, "p99 ms");
  const rates: Partial<Record<Subject["name"], number>> = {};
  const costs: Partial<Record<Subject["name"], number>> = {};
  for (const [{ name }, { rate, cpu, p50, p99 }] of measured) {
    rates[name] = median(rate);
    costs[name] = median(cpu);
    row(name, whole(median(rate)), median(cpu).toFixed(0), median(p50).toFixed(2), median(p99).toFixed(2));
  }
  row("the guard alone", whole(median(verified.rate)), median(verified.cpu).toFixed(0), "", "");
  const { gateway = 0, "bare proxy": proxy = 0 } = rates;
  const ratio = gateway / (1 / (1 / proxy + 1 / median(verified.rate)));
  const byCpu = ((costs["bare proxy"] ?? 0) + median(verified.cpu)) / (costs.gateway ?? 0);
  console.log(
    `  to bare proxy and guard together ${ratio.toFixed(2)} (by CPU time ${byCpu.toFixed(2)}), aim ${aim}, met: ${ratio >= aim ? "yes" : "NO"}`,
  );
}

function row(name: string, ...values: readonly string[]): void {
  console.log(`  ${name.padEnd(16)}${values.map((value) => value.padStart(18)).join("")}`);
}

/** The example of the documentation, before another service. */
function askingExample(): string {
  const file = fileURLToPath(new URL("../../../examples/nginx-auth-request/amesh.conf", import.meta.url));
  return readFileSync(file, "utf8");
}

/** What stands before the block of the server. */
function askingServers(authz: number): string {
  const [before = ""] = askingExample().split("server {\n  listen");
  return before.replace("127.0.0.1:8089", `127.0.0.1:${authz}`).concat(servers);
}

/** What stands in it. */
function askingLocations(service: number): string {
  const [, locations = ""] = /server_name.*\n([\s\S]*)\}\n$/.exec(askingExample()) ?? [];
  return locations
    .replace("http://127.0.0.1:3000", "http://service")
    .replace("Connection $connection_upgrade", 'Connection ""')
    .replaceAll(`127.0.0.1:${service}`, "service");
}
