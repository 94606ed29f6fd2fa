/**
 * Do an API that shares a Redis, an authority that mints and a relay keep to their memory under steady load, all three at one
 * time? Ten minutes, or as many seconds as --seconds=N says. The gateway has a question of its own: gateway-soak.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RedisServer } from "../test/fixtures/redis-server.js";
import { smoke } from "./compare.js";
import { temporaryFolder } from "./enrolling-authority.js";
import type { FleetSettings } from "./fleet-processes.js";
import { cores, MeasuredServers, type NodeServer, onCore, pin } from "./measured-servers.js";
import { alone, steadily } from "./relay-pairing.js";
import { Soak, seconds, stepSeconds } from "./soak-report.js";
import { TrustedCaller } from "./trusted-caller.js";
import { Wrk, type WrkLoad } from "./wrk.js";

/** A second. */
const rates = smoke ? { api: 50, authority: 20, relay: 5 } : { api: 300, authority: 100, relay: 50 };
const audience = "api.example.com";

interface Subject {
  readonly what: string;
  readonly server: NodeServer;
  readonly soak: Soak;
  /** For one step. */
  readonly load: () => Promise<unknown>;
}

pin(process.pid, cores.callers);
const servers = new MeasuredServers();
try {
  const caller = await TrustedCaller.create();
  const subjects = [await api(caller), await authority(caller), await relay()];
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    await Promise.all(subjects.map(({ load }) => load()));
    for (const { soak, server } of subjects) soak.note(await server.health());
  }
  for (const { soak, what } of subjects) soak.tell(`${what} a second, for ${seconds} s`);
} finally {
  await servers.close();
}

async function api(caller: TrustedCaller): Promise<Subject> {
  const redis = await RedisServer.start((stop) => servers.onClose(stop));
  const settings: FleetSettings = {
    identity: caller.identity,
    audience,
    clockSkewSeconds: 30,
    redisUrl: redis.url,
  };
  const server = await servers.fork({
    program: "fleet-processes.js",
    role: "guarded",
    argument: JSON.stringify(settings),
    env: caller.env,
  });
  const load = loadOf(caller, {
    port: server.port,
    method: "GET",
    path: "/api/orders",
    host: audience,
    body: "",
    rate: rates.api,
  });
  return { what: `An API over Redis, ${rates.api} requests`, server, soak: new Soak(), load };
}

async function authority(caller: TrustedCaller): Promise<Subject> {
  const server = await servers.fork({
    program: "authority-processes.js",
    role: "authority",
    argument: caller.key,
  });
  const load = loadOf(caller, {
    port: server.port,
    method: "POST",
    path: "/v1/token",
    host: `localhost:${server.port}`,
    body: JSON.stringify({ sub: "svc://billing/worker", aud: audience, act: "orders.read" }),
    rate: rates.authority,
  });
  return { what: `An authority, ${rates.authority} tokens`, server, soak: new Soak(), load };
}

async function relay(): Promise<Subject> {
  const server = await servers.fork({ program: "relay-processes.js", role: "relay" });
  const load = () => steadily(alone(server), rates.relay, stepSeconds);
  return { what: `A relay, ${rates.relay} pairings`, server, soak: new Soak(), load };
}

/** Requests that are each signed for this step. */
function loadOf(
  caller: TrustedCaller,
  request: Omit<WrkLoad, "proofs" | "again" | "seconds"> & { readonly rate: number },
) {
  const folder = temporaryFolder();
  const [wrk, proofs] = [new Wrk(folder, onCore(cores.callers)), join(folder, "proofs")];
  const url = new URL(`http://${request.host}${request.path}`);
  return async () => {
    const signed = await caller.proofs(request.method, url, request.body, 2 * request.rate * stepSeconds);
    writeFileSync(proofs, signed.join("\n"));
    await wrk.load({ ...request, proofs, again: false, seconds: stepSeconds });
  };
}
