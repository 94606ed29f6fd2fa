/** A TPM as slow as real ones: a proxy before a software TPM that lets each command wait. It waits; it does not work. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const sign = 0x15d;
const delayMs = (code: number): number => (code === sign ? 200 : 50);

/** One command and its answer. */
export interface Exchange {
  readonly name: string;
  /** On the clock of `performance.now`. */
  readonly begunAt: number;
  readonly endedAt: number;
}

const names: Readonly<Record<number, string>> = {
  305: "TPM2_CreatePrimary",
  343: "TPM2_Load",
  [sign]: "TPM2_Sign",
  350: "TPM2_Unseal",
  357: "TPM2_FlushContext",
};

export class SlowTpm {
  /** What was asked of it, the latest last. */
  readonly exchanges: Exchange[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param port of the software TPM, on this machine */
  static async before(port: number): Promise<SlowTpm> {
    const server = createServer();
    const slow = new SlowTpm(server);
    server.on("connection", (client) => slow.#relay(client, connect(port, "127.0.0.1")));
    server.unref().listen(0, "127.0.0.1");
    await once(server, "listening");
    return slow;
  }

  /** As `AMESH_TPM` names it. */
  get address(): string {
    return `swtpm:127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #relay(client: Socket, tpm: Socket): void {
    for (const [one, other] of [
      [client, tpm],
      [tpm, client],
    ] as const)
      one.on("error", () => {}).on("close", () => other.destroy());
    void this.#exchangeAll(client, tpm).catch(() => client.destroy());
  }

  async #exchangeAll(client: Socket, tpm: Socket): Promise<void> {
    const answers = messages(tpm);
    for await (const command of messages(client)) {
      const begunAt = performance.now();
      const code = command.readUInt32BE(6);
      await pause(delayMs(code));
      tpm.write(command);
      const { value, done } = await answers.next();
      if (done) return;
      client.write(value);
      const name = names[code] ?? `command 0x${code.toString(16)}`;
      this.exchanges.push({ name, begunAt, endedAt: performance.now() });
    }
  }
}

/** Commands and answers alike say in bytes 2 to 5 how long they are. */
async function* messages(socket: Socket): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 10 && bytes.length >= bytes.readUInt32BE(2)) {
      const length = bytes.readUInt32BE(2);
      yield bytes.subarray(0, length);
      bytes = bytes.subarray(length);
    }
  }
}
