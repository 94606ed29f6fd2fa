/**
 * What does a relay hold, and how many pairings does it carry on one core? Beside it the least that pairs two sockets of the
 * same library; then two instances that share a Redis, whose devices meet across them. Devices come from addresses of their own.
 */
import { randomBytes } from "node:crypto";
import { loadavg } from "node:os";
import { RedisServer } from "../test/fixtures/redis-server.js";
import { median, percentile, print, smoke, whole } from "./compare.js";
import { cores, MeasuredServers, type NodeServer, pin, type Started } from "./measured-servers.js";
import { alone, type Meeting, pair, steadily } from "./relay-pairing.js";
import { RelaySide } from "./relay-side.js";

const held = smoke ? 200 : 15_000;
/** They are closed after 10 s, and so have to be opened sooner. */
const silent = smoke ? 100 : 1_000;
const rounds = smoke ? 1 : 5;
const seconds = smoke ? 1 : 5;
const atOnce = 64;
/** The first that can be kept up is the one that is told about. */
const paces = smoke ? [20] : [1000, 800, 600, 400, 200, 100];
const aimRate = 1000;

type Role = "relay" | "bare ws";

interface Measured {
  readonly rate: number[];
  /** Microseconds of computing for a pairing. */
  readonly cpu: number[];
  /** Of the core of the relays, and of the devices'. */
  readonly busy: number[];
  readonly devicesBusy: number[];
}

pin(process.pid, cores.callers);
const servers = new MeasuredServers();
try {
  await holds("relay");
  await holds("bare ws");
  const [relay, bare] = [await start("relay"), await start("bare ws")];
  const [ours, peer] = [alone(relay), alone(bare)];
  await pairs("Pairings, one after another at each of 64 places", { relay: ours, "bare ws": peer });
  const pace = await forwards("relay", ours, paces);
  await forwards("bare ws", peer, [pace]);
  await relay.close();
  await bare.close();
  await sharing();
} finally {
  await servers.close();
}
console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);

/** Two instances and one that shares nothing, all on one core; Redis and the devices have the other. */
async function sharing(): Promise<void> {
  const redis = await RedisServer.start((stop) => servers.onClose(stop), "--databases", "1");
  const env = { AMESH_RELAY_REDIS_URL: redis.url };
  const [single, here, there] = [await start("relay"), await start("relay", env), await start("relay", env)];
  const meetings = {
    "one, alone": alone(single),
    "one, with Redis": alone(here),
    "two, across": { listener: here, connector: there },
  };
  await pairs("Instances that share a Redis, all on one core", meetings);
  const across = await forwards("two, across", meetings["two, across"], paces);
  await forwards("one, alone", meetings["one, alone"], [across]);
}

/** What a socket adds to the memory of a relay, each in a new one: what a process once had, it keeps. */
async function holds(role: Role): Promise<void> {
  const wait = async (side: RelaySide) => {
    side.say(JSON.stringify({ type: "listen", otc: randomBytes(16).toString("base64url") }));
    await side.hear("listening");
  };
  const quiet = await grownBy(role, silent, async () => {});
  const waiting = await grownBy(role, held, wait);
  print(`Sockets held, ${role}`, {
    [`${whole(silent)} that say nothing`]: `${whole(quiet)} bytes each`,
    [`${whole(held)} that wait under a code`]: `${whole(waiting)} bytes each`,
  });
}

async function grownBy(role: Role, count: number, begin: (side: RelaySide) => Promise<void>) {
  const server = await start(role);
  for (const side of await open(server, atOnce, begin)) side.drop(); // it warms up
  const before = (await server.health()).resident;
  const sides = await open(server, count, begin);
  const grown = (await server.health()).resident - before;
  const lost = sides.filter(({ isOpen }) => !isOpen).length;
  if (lost > 0) throw new Error(`${lost} of ${count} sockets were closed.`);
  for (const side of sides) side.drop();
  await server.close();
  return grown / count;
}

async function open({ port }: Started, count: number, begin: (side: RelaySide) => Promise<void>) {
  const sides: RelaySide[] = [];
  while (sides.length < count) {
    const some = Math.min(atOnce, count - sides.length);
    sides.push(...(await Promise.all(Array.from({ length: some }, () => RelaySide.open(port)))));
    await Promise.all(sides.slice(-some).map(begin));
  }
  return sides;
}

/** As many pairings as there can be. */
async function pairs(question: string, subjects: Readonly<Record<string, Meeting>>): Promise<void> {
  const measured = new Map<string, Measured>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, meeting] of inTurn(Object.entries(subjects), round)) {
      const { rate, cpu, busy, devicesBusy } = await saturate(meeting);
      if (round === 0) continue; // it warms up
      const all = measured.get(name) ?? { rate: [], cpu: [], busy: [], devicesBusy: [] };
      measured.set(name, all);
      all.rate.push(rate);
      all.cpu.push(cpu);
      all.busy.push(busy);
      all.devicesBusy.push(devicesBusy);
    }
  }
  const told = [...measured].map(([name, { rate, cpu, busy, devicesBusy }]) => [
    name,
    `${whole(median(rate))}/s, ${whole(median(cpu))} µs of computing each; its core ${share(busy)} busy, the devices' ${share(devicesBusy)}`,
  ]);
  print(`${question}, ${rounds} alternated rounds of ${seconds} s`, Object.fromEntries(told));
}

async function saturate(meeting: Meeting) {
  const [before, devicesBefore] = [computed(meeting), process.cpuUsage()];
  const began = performance.now();
  let done = 0;
  const place = async () => {
    while (performance.now() - began < seconds * 1000) {
      await pair(meeting, () => {});
      done++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, place));
  const took = (performance.now() - began) / 1000;
  const cpu = computed(meeting) - before;
  const { user, system } = process.cpuUsage(devicesBefore);
  const devicesBusy = (user + system) / 1e6 / took;
  return { rate: done / took, cpu: (cpu / done) * 1e6, busy: cpu / took, devicesBusy };
}

/** How long a frame is under way while pairings begin when they are due. @returns the pace that was kept */
async function forwards(name: string, meeting: Meeting, wanted: readonly number[]): Promise<number> {
  for (const pace of wanted) {
    const { took, left } = await steadily(meeting, pace, 2 * seconds);
    if (left > pace / 4 && pace !== wanted.at(-1)) continue;
    print(`Frames handed on under ${whole(pace)} pairings a second, ${name}`, {
      ...(pace < aimRate && wanted.length > 1
        ? { [`${whole(aimRate)} a second`]: "could not be kept up" }
        : {}),
      p50: `${percentile(took, 0.5).toFixed(2)} ms`,
      p99: `${percentile(took, 0.99).toFixed(2)} ms`,
      "pairings under way at the end": whole(left),
    });
    return pace;
  }
  throw new TypeError("There is no pace to keep.");
}

function share(of: readonly number[]): string {
  return `${whole(median(of) * 100)} %`;
}

function start(role: Role, env: Readonly<Record<string, string>> = {}): Promise<NodeServer> {
  return servers.fork({ program: "relay-processes.js", role, env });
}

function computed({ listener, connector }: Meeting): number {
  return [...new Set([listener, connector])].reduce((sum, each) => sum + each.cpu(), 0);
}

/** Neither always comes first. */
function inTurn<T>(all: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? all : [...all].reverse();
}
