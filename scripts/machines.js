/**
 * Machines as real processes of the real commands, for the demo and the tests: a relay, identities in temporary
 * folders, programs that run until they are stopped. Loopback only.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./run.js";

const ameshBin = join(root, "packages/cli/bin/amesh.js");
const relayBin = join(root, "packages/relay/bin/authmesh-relay.js");
const patience = 30_000;

/** A running program. */
export class Program {
  /** @type {string[]} */ lines = [];
  /** @type {string[]} */ errors = [];
  #child;
  #waiting = new Set();

  /** @param {readonly string[]} args of node @param {{ env?: Record<string, string | undefined>, cwd?: string, before?: readonly string[] }} [options] `before`: what runs it */
  constructor(args, options = {}) {
    const env = { ...process.env, NODE_NO_WARNINGS: "1", NO_COLOR: "1", ...options.env };
    const [program, ...rest] = [...(options.before ?? []), process.execPath, ...args];
    this.#child = spawn(program, rest, { cwd: options.cwd ?? root, env, stdio: "pipe" });
    for (const [stream, lines] of [
      [this.#child.stdout, this.lines],
      [this.#child.stderr, this.errors],
    ]) {
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        for (const check of this.#waiting) check();
      });
    }
    /** @type {Promise<number | null>} the exit status, once output is complete */
    this.ended = new Promise((resolve) => this.#child.once("close", (status) => resolve(status)));
    void this.ended.then(() => {
      for (const check of this.#waiting) check(true);
    });
  }

  /** Waits for a line of standard output that `find` turns into something. @template T @param {(line: string) => T | undefined} find @returns {Promise<T>} */
  line(find, source = this.lines) {
    return new Promise((resolve, reject) => {
      const finish = (settle) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        settle();
      };
      const failed = (why) =>
        finish(() => reject(new Error(`${why}\n${this.lines.join("\n")}\n${this.errors.join("\n")}`)));
      const check = (ended = false) => {
        for (const line of source) {
          const found = find(line);
          if (found !== undefined) return finish(() => resolve(found));
        }
        if (ended) failed("the program ended before it said what was awaited");
      };
      const timer = setTimeout(() => failed("the program did not say in time what was awaited"), patience);
      this.#waiting.add(check);
      check();
    });
  }

  /** Waits for a JSON line with this `event`. @param {string} event @returns {Promise<any>} */
  event(event) {
    return this.line((line) => {
      const value = line.startsWith("{") ? JSON.parse(line) : undefined;
      return value?.event === event ? value : undefined;
    });
  }

  /** @param {string} text */
  write(text) {
    this.#child.stdin.write(text);
  }

  /** Closes its standard input. */
  end() {
    this.#child.stdin.end();
  }

  /** @returns {number} */
  get pid() {
    return this.#child.pid ?? 0;
  }

  /** @param {NodeJS.Signals} name */
  signal(name) {
    this.#child.kill(name);
  }

  /** As power that goes: it can put nothing in order. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
    await this.ended;
  }
}

/** Everything one run starts and writes; `close` leaves nothing behind. */
export class Machines {
  folder;
  /** @type {Program[]} */ #programs = [];
  /** @type {string | undefined} */ relay;

  /** @param {string} [purpose] part of the temporary folder's name */
  constructor(purpose = "test") {
    this.folder = mkdtempSync(join(tmpdir(), `amesh-${purpose}-`));
  }

  /** The folder of a machine's identity. @param {string} machine */
  dir(machine) {
    return join(this.folder, machine);
  }

  /** Starts a program. @param {string[]} args @param {{ machine?: string, env?: Record<string, string | undefined>, cwd?: string }} [options] */
  start(args, { machine, env, cwd } = {}) {
    const own = machine === undefined ? {} : { AUTH_MESH_DIR: this.dir(machine) };
    const relay = this.relay === undefined ? {} : { AMESH_RELAY_URL: this.relay };
    const clean = {
      AUTH_MESH_PASSPHRASE: undefined,
      AMESH_PASSPHRASE_FILE: undefined,
      AMESH_AUDIENCE: undefined,
    };
    const program = new Program(args, {
      env: { ...clean, ...own, ...relay, ...env },
      ...(cwd ? { cwd } : {}),
    });
    this.#programs.push(program);
    return program;
  }

  /** Starts an amesh command on a machine. @param {string} machine @param {string[]} args */
  amesh(machine, ...args) {
    return this.start([ameshBin, ...args], { machine });
  }

  /** Runs an amesh command to its end. @param {string} machine @param {string[]} args */
  async run(machine, ...args) {
    const program = this.amesh(machine, ...args);
    const status = await program.ended;
    if (status !== 0)
      throw new Error(`amesh ${args.join(" ")} ended with ${status}\n${program.errors.join("\n")}`);
    return program.lines.join("\n");
  }

  async startRelay() {
    const program = this.start([relayBin, "--host", "127.0.0.1", "--port", "0", "--json"]);
    this.relay = (await program.event("listening")).url;
    return program;
  }

  /** Pairs two machines as two people would: `controller` may call `target` afterwards. @param {string} controller @param {string} target */
  async pair(controller, target) {
    const listen = this.amesh(target, "listen", "--json");
    const { code } = await listen.event("code");
    const invite = this.amesh(controller, "invite", code, "--json");
    const { code: verification } = await invite.event("sas");
    await listen.event("verify");
    listen.write(`${verification}\n`);
    const [atTarget, atController] = await Promise.all([listen.event("paired"), invite.event("paired")]);
    for (const program of [listen, invite]) {
      const status = await program.ended;
      if (status !== 0)
        throw new Error(`a pairing command ended with ${status}\n${program.errors.join("\n")}`);
    }
    return { code, verification, controller: atTarget, target: atController };
  }

  async close() {
    await Promise.all(this.#programs.map((program) => program.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
