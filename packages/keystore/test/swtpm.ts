import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const bridge = fileURLToPath(new URL("processes/character-device.py", import.meta.url));

/** A software TPM: a real process with a state of its own, on a free port of this machine or a socket in a folder. */
export class SoftwareTpm {
  readonly folder = mkdtempSync(join(tmpdir(), "amesh-swtpm-"));
  readonly #port: number | undefined;
  #process: ChildProcess | undefined;
  #bridge: ChildProcess | undefined;
  #liar: Server | undefined;

  private constructor(port?: number) {
    this.#port = port;
  }

  /**
   * @param ended is given what stops and removes it: `onTestFinished`
   * @param state a folder that `manufacture` made: keys and certificates to begin with
   */
  static async start(
    ended: (stop: () => void) => void,
    over: "tcp" | "unix" = "unix",
    state?: string,
  ): Promise<SoftwareTpm> {
    const tpm = new SoftwareTpm(over === "tcp" ? await freePort() : undefined);
    ended(() => tpm.#remove());
    if (state !== undefined) cpSync(state, tpm.folder, { recursive: true });
    await tpm.start();
    return tpm;
  }

  /** As `AMESH_TPM` names it. */
  get address(): string {
    return this.#port === undefined ? `unix:${this.#socket}` : `swtpm:127.0.0.1:${this.#port}`;
  }

  get env() {
    return { AMESH_TPM: this.address };
  }

  /** Switches it on: the state is what it was, objects that were loaded are gone. */
  async start(): Promise<void> {
    rmSync(this.#socket, { force: true });
    const port = this.#port;
    const server =
      port === undefined
        ? ["--server", `type=unixio,path=${this.#socket}`]
        : [
            ...["--server", `type=tcp,port=${port},bindaddr=127.0.0.1`],
            ...["--ctrl", `type=tcp,port=${port + 1},bindaddr=127.0.0.1`],
          ];
    const state = ["--tpmstate", `dir=${this.folder}`, "--flags", "not-need-init,startup-clear"];
    this.#process = spawn("swtpm", ["socket", "--tpm2", ...server, ...state], { stdio: "ignore" });
    const failed = new Promise<never>((_, reject) => this.#process?.once("error", reject));
    await Promise.race([this.connect().then((socket) => socket.destroy()), failed]);
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#process?.once("close", resolve));
    this.#process?.kill("SIGKILL");
    await gone;
  }

  /** Hangs: it takes connections and commands, and answers none until it thaws. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Another client of the TPM; nobody else is served until it leaves. */
  async connect(): Promise<Socket> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const socket =
        this.#port === undefined ? connect(this.#socket) : connect({ port: this.#port, host: "127.0.0.1" });
      const connected = await new Promise((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      if (connected) return socket;
      if (performance.now() > deadline) throw new Error("swtpm does not start.");
      await pause(5);
    }
  }

  /** Sends bytes of a command, in hex; gives those of the answer. */
  async send(command: string): Promise<string> {
    const socket = await this.connect();
    socket.write(Buffer.from(command, "hex"));
    const answer = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    socket.destroy();
    return answer.toString("hex");
  }

  /** One in front of it that answers everything as it does, but changes a bit of each signature. @returns its environment */
  async liar(): Promise<{ readonly AMESH_TPM: string }> {
    const path = join(this.folder, "liar");
    const server = createServer(async (client) => {
      const behind = await this.connect();
      let signs = false;
      client.on("data", (command) => {
        signs = command.readUInt32BE(6) === 0x15d;
        behind.write(command);
      });
      behind.on("data", (answer) => {
        if (signs && answer.length > 40) answer[30] = (answer[30] as number) ^ 1; // of r
        client.write(answer);
      });
      client.on("close", () => behind.destroy()).on("error", () => behind.destroy());
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    this.#liar = server;
    return { AMESH_TPM: `unix:${path}` };
  }

  /** Runs one of tpm2-tools against it. */
  tool(name: string, ...args: string[]): string {
    const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:host=127.0.0.1,port=${this.#port}` };
    return execFileSync(name, args, { cwd: this.folder, env, encoding: "utf8", stdio: "pipe" });
  }

  /** A character device in front of it; returns its path. */
  async device(): Promise<string> {
    this.#bridge = spawn("/usr/bin/python3", [bridge, this.#socket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: this.#bridge.stdout as NodeJS.ReadableStream });
    return new Promise((resolve) => lines.once("line", resolve));
  }

  unplugDevice(): void {
    this.#bridge?.kill("SIGKILL");
  }

  get #socket(): string {
    return join(this.folder, "socket");
  }

  #remove(): void {
    this.unplugDevice();
    this.#liar?.close();
    this.#process?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Does what a manufacturer does: makes the state of a TPM in the folder `state`, with endorsement keys that the
 * authority in the folder `authority` certifies. That authority is made, too, if there is none yet.
 */
export function manufacture(state: string, authority: string): void {
  mkdirSync(state);
  mkdirSync(authority, { recursive: true });
  const write = (name: string, lines: readonly string[]) => {
    const path = join(authority, name);
    writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
    return path;
  };
  const settings = write("localca.conf", [
    `statedir = ${authority}`,
    `signingkey = ${authority}/signkey.pem`,
    `issuercert = ${authority}/issuercert.pem`,
    `certserial = ${authority}/certserial`,
  ]);
  const options = write("localca.options", ["--platform-manufacturer amesh"]);
  const config = write("setup.conf", [
    "create_certs_tool = swtpm_localca",
    `create_certs_tool_config = ${settings}`,
    `create_certs_tool_options = ${options}`,
    "active_pcr_banks = sha256",
  ]);
  const { username } = userInfo();
  const args = ["--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", config, "--runas", username];
  execFileSync("swtpm_setup", args, { stdio: "pipe" });
}

/** Where a maker of TPMs left the state of one, and the certificates by which others know it. */
export interface Made {
  readonly state: string;
  /** A folder of PEM files. */
  readonly roots: string;
}

/** Does what a manufacturer does, in a folder that goes when it has ended. */
export function manufactured(ended: (stop: () => void) => void): Made {
  const folder = mkdtempSync(join(tmpdir(), "amesh-maker-"));
  ended(() => rmSync(folder, { recursive: true, force: true }));
  const [state, roots] = [join(folder, "state"), join(folder, "roots")];
  manufacture(state, join(folder, "maker"));
  mkdirSync(roots);
  for (const name of ["swtpm-localca-rootca-cert.pem", "issuercert.pem"])
    cpSync(join(folder, "maker", name), join(roots, name));
  return { state, roots };
}

async function freePort(): Promise<number> {
  const [first, second] = [createServer(), createServer()];
  const listen = (server: typeof first, port: number) =>
    new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
  await listen(first, 0);
  const { port } = first.address() as AddressInfo;
  const isFree = port < 65_535 && (await listen(second, port + 1));
  await Promise.all([first, second].map((server) => new Promise((resolve) => server.close(resolve))));
  return isFree ? port : freePort();
}
