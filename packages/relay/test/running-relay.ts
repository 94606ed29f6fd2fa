import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { RelayOptions } from "../src/relay-options.js";
import { createRelay, type Relay } from "../src/server.js";

export interface RunningRelay {
  readonly relay: Relay;
  readonly url: string;
  readonly port: number;
  /** Everything the relay logged, as text. */
  log(): string;
  /** Lets time pass for the relay and has it act on that. */
  pass(milliseconds: number): void;
  /** The value of one series of /metrics. */
  metric(series: string): Promise<number>;
}

/** A relay on a free loopback port whose clock stands still; it is closed when the test is done. */
export async function startRelay(options: RelayOptions = {}): Promise<RunningRelay> {
  let time = 1_000_000;
  let log = "";
  const append = (line: string): void => {
    log += line;
  };
  const logger = pino({ level: "trace" }, { write: append });
  const relay = createRelay({ host: "127.0.0.1", port: 0, now: () => time, logger, ...options });
  const { url, port } = await relay.listen();
  const pass = (milliseconds: number): void => {
    time += milliseconds;
    relay.sweep();
  };
  onTestFinished(async () => {
    const closed = relay.close();
    pass(60_000);
    await closed;
  });
  return {
    relay,
    url,
    port,
    log: () => log,
    pass,
    async metric(series) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const line = text.split("\n").find((candidate) => candidate.startsWith(`amesh_relay_${series} `));
      if (line === undefined) throw new TypeError(`There is no series ${series}.`);
      return Number(line.split(" ").at(-1));
    },
  };
}
