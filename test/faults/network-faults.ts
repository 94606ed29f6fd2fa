import { fileURLToPath } from "node:url";
import { Program } from "../../scripts/machines.js";
import { Networks } from "../fixtures/networks.js";
import type { Environment } from "./environment.js";
import type { Fault } from "./fault.js";
import { maxStale, type Scene } from "./launches.js";
import type { Ended, Stage } from "./stage.js";

const forwarder = fileURLToPath(new URL("../fixtures/forwarder.js", import.meta.url));
const local = "127.0.0.1";
/** What waited to be sent is sent again at longer and longer intervals, and after this at the latest. */
const resentSeconds = 30;

const portOf = {
  authority: ({ ports }: Scene) => ports.authority,
  Redis: ({ redisUrl }: Scene) => Number(new URL(redisUrl).port),
} as const;

/** What it says that cannot reach them. */
const without = { authority: "trust_stale", Redis: "replay_store_unavailable" } as const;

/** One instance of the API is in a network of its own, from where the others are as near as to anybody. */
export const parted: Environment = {
  name: "between networks",
  async open(ended) {
    const networks = new Networks(ended);
    const network = networks.join();
    const part = { before: network.inside, host: network.there };
    const wire = async (scene: Scene) => {
      const ports = Object.values(portOf).map((of) => of(scene));
      const wires = (from: string, to: string) => ports.map((port) => `${from}:${port}:${to}`);
      await forward(wires(networks.here, local), [], ended);
      await forward(wires(local, networks.here), network.inside, ended);
    };
    const partition = (from: keyof typeof portOf): Fault => ({
      name: `partition of api-2 and ${from}`,
      disturbs: [],
      degrades: ["api-2"],
      seconds: maxStale + 6,
      refuses: { "api-2": [without[from]] },
      cutsOff: from === "authority" ? ["api-2"] : [],
      recoverySeconds: resentSeconds,
      begin: async ({ scene }: Stage) => network.partition(portOf[from](scene)),
      end: async () => network.heal(),
    });
    const loss: Fault = {
      name: "loss of 20 % of the packets from and to api-2",
      disturbs: ["api-2"],
      degrades: [],
      cutsOff: ["api-2"],
      recoverySeconds: resentSeconds,
      begin: async () => network.lose(20),
      end: async () => network.heal(),
    };
    const faults = [partition("authority"), partition("Redis"), loss];
    return { stage: { parts: { "api-2": part }, prepare: wire }, faults };
  },
};

async function forward(wires: readonly string[], before: readonly string[], ended: Ended): Promise<void> {
  const program = new Program([forwarder, ...wires], { before: [...before] });
  ended(() => program.kill());
  await program.line((line) => line === "listening" || undefined);
}
