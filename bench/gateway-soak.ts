/**
 * Does a gateway under steady load keep to its memory? Ten minutes, or as many seconds as --seconds=N says: the memory that
 * is left after collecting the garbage, and how it grows once every nonce has been forgotten as often as recorded.
 */
import { percentile, print, smoke } from "./compare.js";
import { GatewayStage, host } from "./gateway-stage.js";
import { cores, onCore } from "./measured-servers.js";
import { Wrk } from "./wrk.js";

const given = process.argv.find((argument) => argument.startsWith("--seconds="))?.split("=")[1];
const seconds = smoke ? 4 : Number(given ?? 600);
const stepSeconds = smoke ? 1 : 10;
/** What is not counted: the memory of nonces fills for 71 seconds, and the compiler takes its time. */
const settled = 0.2;
const rate = 500;
const aim = 1;
const path = "/api/orders";

const stage = await GatewayStage.open();
try {
  const wrk = new Wrk(stage.folder, onCore(cores.callers));
  const service = await stage.startService();
  const gateway = await stage.startGateway(service);
  const loads = [
    { method: "GET", body: "" },
    { method: "POST", body: "x".repeat(10_240) },
  ];
  const points: { readonly minute: number; readonly resident: number; readonly heap: number }[] = [];
  const delays: number[] = [];
  const handles: number[] = [];
  const started = performance.now();
  for (let i = 0; performance.now() - started < seconds * 1000; i++) {
    const load = loads[i % loads.length] as (typeof loads)[number];
    const proofs = await stage.sign(load.method, path, load.body, 2 * rate * stepSeconds);
    await wrk.load({
      ...load,
      port: gateway.port,
      path,
      host,
      proofs,
      again: false,
      seconds: stepSeconds,
      rate,
    });
    const health = await gateway.health();
    points.push({ ...health, minute: (performance.now() - started) / 60_000 });
    delays.push(health.loopDelayP99);
    handles.push(health.handles);
  }
  const last = points.slice(Math.floor(points.length * settled));
  const growth = slope(last.map(({ minute, resident }) => [minute, resident / 2 ** 20]));
  print(`A gateway for ${seconds} s at ${rate} requests a second, GET and POST of 10 KB in turn`, {
    "resident, MiB": range(last.map(({ resident }) => resident / 2 ** 20)),
    "heap, MiB": range(last.map(({ heap }) => heap / 2 ** 20)),
    "grows, MiB a minute": growth.toFixed(2),
    "heap grows, MiB a minute": slope(last.map(({ minute, heap }) => [minute, heap / 2 ** 20])).toFixed(2),
    aim: `below ${aim}`,
    met: growth < aim ? "yes" : "NO",
    "handles after each step": range(handles, 0),
    "event loop late, p99 of a step": `${percentile(delays, 0.5).toFixed(1)} ms, at most ${Math.max(...delays).toFixed(1)} ms`,
  });
} finally {
  await stage.close();
}

/** Of the straight line that fits best. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const along = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return along / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

function range(values: readonly number[], digits = 1): string {
  return `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
}
