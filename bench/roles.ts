/**
 * What a process of measured-servers.ts does: it plays the role that its first argument names, tells its memory when it is
 * asked, and ends with the process that started it.
 */
import type { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

export interface Health {
  /** Bytes, once the garbage was collected. */
  readonly resident: number;
  readonly heap: number;
  /** What keeps the process alive, by kind. */
  readonly handles: number;
  /** Milliseconds since the question before. */
  readonly loopDelayP99: number;
  /** Likewise, the longest. */
  readonly loopDelayMax: number;
}

/** @returns its port, 0 where it has none. The argument is the one behind the role's name. */
export type Role = (argument: string) => Promise<number>;

export async function play(roles: Readonly<Record<string, Role>>): Promise<void> {
  const [, , name = "", argument = ""] = process.argv;
  const role = roles[name];
  if (role === undefined) throw new Error(`There is no role ${name}.`);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  process.once("disconnect", () => process.exit());
  process.on("message", (asked) => {
    if (asked !== "health") return;
    process.send?.(health(delay));
    // Collecting the garbage, for the answer, is no delay of the load's.
    setTimeout(() => delay.reset(), 20);
  });
  process.send?.({ port: await role(argument) });
}

/** The port of a server of loopback that takes all who come at one time. */
export function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) =>
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () =>
      resolve((server.address() as AddressInfo).port),
    ),
  );
}

function health(delay: IntervalHistogram): Health {
  const [loopDelayP99, loopDelayMax] = [delay.percentile(99) / 1e6, delay.max / 1e6];
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().length;
  return { resident: rss, heap: heapUsed, handles, loopDelayP99, loopDelayMax };
}
