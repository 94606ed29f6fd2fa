/** Servers that are measured: each a process, on a core of its own where the machine lets us choose. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Health } from "./roles.js";

/** Whoever calls, and what stands behind, shares one core, so that the other has nothing but what is measured. */
export const cores = { callers: "0", measured: "1" };
const canPin = spawnSync("taskset", ["-c", cores.measured, "true"]).status === 0;
export const onCore = (core: string): readonly string[] => (canPin ? ["taskset", "-c", core] : []);

/** What one server of another program is started with. */
export interface Started {
  readonly port: number;
  /** Seconds that its process has computed. */
  cpu(): number;
  /** Bytes of its memory. */
  resident(): number;
  close(): Promise<void>;
}

/** A process of a program of this folder that plays a role. */
export interface NodeServer extends Started {
  health(): Promise<Health>;
  ask<Answer>(question: object | string): Promise<Answer>;
}

export interface Forked {
  /** Its name in this folder, such as `"gateway-processes.js"`. */
  readonly program: string;
  readonly role: string;
  readonly argument?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  /** Default: the core of what is measured. */
  readonly core?: string;
}

export class MeasuredServers {
  readonly #closing: (() => unknown)[] = [];

  /** What is closed with the servers, the last first. */
  onClose(close: () => unknown): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }

  /** @param port 0: it does not listen */
  async add(child: ChildProcess, port: number, core: string): Promise<Started> {
    const { pid = 0 } = child;
    pin(pid, core);
    const close = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    };
    this.onClose(close);
    while (port !== 0 && !(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`A server ended with ${child.exitCode}.`);
      await pause(10);
    }
    return { port, cpu: () => cpuSeconds(pid), resident: () => residentBytes(pid), close };
  }

  async fork({ program, role, argument = "", env = {}, execArgv = [], core }: Forked): Promise<NodeServer> {
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), [role, argument], {
      execArgv: ["--expose-gc", ...execArgv],
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const failed = once(child, "exit").then(([status]) => {
      throw new Error(`The ${role} ended with ${status}.`);
    });
    const [{ port }] = (await Promise.race([once(child, "message"), failed])) as [{ port: number }];
    failed.catch(() => {});
    const started = await this.add(child, port, core ?? cores.measured);
    const ask = async <Answer>(question: object | string): Promise<Answer> => {
      const answered = once(child, "message");
      child.send(question);
      return ((await answered) as [Answer])[0];
    };
    return { ...started, ask, health: () => ask<Health>("health") };
  }
}

/** Holds a process and its threads to a core, where that can be done. */
export function pin(pid: number, core: string): void {
  if (canPin) spawnSync("taskset", ["-acp", core, String(pid)]);
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false)).once("connect", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });

function residentBytes(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Number(pages) * 4096;
}

/** In user mode and for it, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const [user, system] = rest.split(" ").slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
