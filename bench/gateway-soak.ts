/**
 * Does a gateway under steady load keep to its memory? Ten minutes, or as many seconds as --seconds=N says: the memory that
 * is left after collecting the garbage, and how it grows once every nonce has been forgotten as often as recorded.
 */
import { GatewayStage, host } from "./gateway-stage.js";
import { cores, onCore } from "./measured-servers.js";
import { Soak, seconds, stepSeconds } from "./soak-report.js";
import { Wrk } from "./wrk.js";

const rate = 500;
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
  const soak = new Soak();
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
    soak.note(await gateway.health());
  }
  soak.tell(`A gateway for ${seconds} s at ${rate} requests a second, GET and POST of 10 KB in turn`);
} finally {
  await stage.close();
}
