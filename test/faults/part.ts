import { setTimeout as pause } from "node:timers/promises";
import { Program } from "../../scripts/machines.js";

/** What can be called, stopped and looked at. Redis and PostgreSQL are behind them. */
export const partNames = ["authority", "relay", "api-1", "api-2", "gateway", "service"] as const;
export type PartName = (typeof partNames)[number];

/** How a part is run, beyond the usual. */
export interface PartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What runs it: "ip netns exec NAME", word by word. */
  readonly before?: readonly string[];
  /** Where it listens, and is reached. Default 127.0.0.1. */
  readonly host?: string;
  /** Where it keeps what it keeps. Default: the stage's folder. */
  readonly folder?: string;
}

export interface Launch extends Omit<PartOptions, "host" | "folder"> {
  /** Of node, asked for at each start. */
  readonly args: () => readonly string[];
  /** Where callers call it: an origin. */
  readonly url: string;
  /** Answers 200 when the part can do its work. */
  readonly ready: string;
}

const patienceMs = 60_000;
const askedAgainMs = 25;

/** One process of the stage, through all its lives. */
export class Part {
  readonly name: PartName;
  readonly url: string;
  readonly readyUrl: string;
  /** When it was killed: milliseconds since the epoch. */
  readonly kills: number[] = [];
  readonly #launch: Launch;
  #program: Program | undefined;

  constructor(name: PartName, launch: Launch) {
    this.name = name;
    this.url = launch.url;
    this.readyUrl = launch.ready;
    this.#launch = launch;
  }

  get program(): Program {
    if (this.#program === undefined) throw new TypeError(`The part ${this.name} was not started.`);
    return this.#program;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const { args, env = {}, before = [] } = this.#launch;
    const program = new Program(args(), { env, before });
    this.#program = program;
    const follow = () => program.signal("SIGKILL"); // it must not outlive a run that fails
    process.once("exit", follow);
    let status: number | null | undefined;
    void program.ended.then((ended) => {
      status = ended;
      process.off("exit", follow);
    });
    const limit = performance.now() + patienceMs;
    while ((await this.readiness()) !== 200) {
      if (status !== undefined || performance.now() > limit) throw new Error(await this.#whyNotReady(status));
      await pause(askedAgainMs);
    }
  }

  /** As power that goes. */
  async kill(): Promise<void> {
    this.kills.push(Date.now());
    await this.#program?.kill();
  }

  /** As its operator stops it. */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It hangs: what is sent to it waits. */
  pause(): void {
    this.program.signal("SIGSTOP");
  }

  resume(): void {
    this.program.signal("SIGCONT");
  }

  async #whyNotReady(ended: number | null | undefined): Promise<string> {
    const said = ended === undefined ? await (await fetch(this.readyUrl)).text() : `it ended with ${ended}`;
    return `${this.name} is not ready: ${said}\n${this.program.errors.slice(-20).join("\n")}`;
  }

  /** The status of its answer to whether it can work; 0 where there is none within a second. */
  async readiness(): Promise<number> {
    try {
      const answer = await fetch(this.readyUrl, { signal: AbortSignal.timeout(1000) });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return 0;
    }
  }
}
