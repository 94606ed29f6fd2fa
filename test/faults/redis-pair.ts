import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { vi } from "vitest";
import { Program } from "../../scripts/machines.js";
import { freePort } from "../fixtures/free-port.js";
import { RedisServer } from "../fixtures/redis-server.js";

type Ended = (stop: () => Promise<void>) => void;

/** A Redis with a replica behind one address, which leads to whichever is the primary. */
export class RedisPair {
  /** Of whichever is the primary. */
  readonly url: string;
  readonly #line: Program;
  readonly #primary: RedisServer;
  readonly #replica: RedisServer;

  private constructor(port: number, line: Program, primary: RedisServer, replica: RedisServer) {
    this.url = `redis://127.0.0.1:${port}`;
    this.#line = line;
    this.#primary = primary;
    this.#replica = replica;
  }

  static async start(ended: Ended): Promise<RedisPair> {
    const primary = await RedisServer.start(ended, "--repl-diskless-sync-delay", "0");
    const replica = await RedisServer.start(ended, "--replicaof", "127.0.0.1", String(primary.port));
    await asking(replica, (admin) =>
      vi.waitUntil(async () => (await admin.info("replication")).includes("master_link_status:up"), 10_000),
    );
    const port = await freePort();
    const line = new Program([switchedLine, String(port)]);
    ended(() => line.kill());
    await leadTo(line, primary);
    return new RedisPair(port, line, primary, replica);
  }

  /** Resolves when the replica has what was written until now. */
  async catchUp(): Promise<void> {
    await asking(this.#primary, (admin) => admin.wait(1, 10_000));
  }

  /** From now on nothing reaches the replica. */
  async cutReplication(): Promise<void> {
    const nobody = String(await freePort());
    await asking(this.#replica, (admin) => admin.call("REPLICAOF", "127.0.0.1", nobody));
  }

  /** The primary ends, and with it what was written since the replication was cut. The replica takes its place. */
  async failOver(): Promise<void> {
    await this.#primary.kill();
    await asking(this.#replica, (admin) => admin.call("REPLICAOF", "NO", "ONE"));
    await leadTo(this.#line, this.#replica);
  }
}

const switchedLine = fileURLToPath(new URL("../fixtures/switched-line.js", import.meta.url));

async function leadTo(line: Program, { port }: RedisServer): Promise<void> {
  line.write(`${port}\n`);
  await line.line((text) => text === `leads to ${port}` || undefined);
}

async function asking(server: RedisServer, ask: (admin: Redis) => Promise<unknown>): Promise<void> {
  const admin = new Redis(server.url);
  try {
    await ask(admin);
  } finally {
    admin.disconnect();
  }
}
