import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const collection = "/org/freedesktop/secrets/collection/login";

/** A real gnome-keyring on a D-Bus of its own, with a home that nobody else has. Its keyring has the empty password. */
export class SecretService {
  readonly folder = mkdtempSync(join(tmpdir(), "amesh-keyring-"));
  /** A whole environment: nothing of this computer's own session is seen. */
  readonly env = {
    PATH: process.env["PATH"],
    HOME: this.folder,
    XDG_RUNTIME_DIR: join(this.folder, "run"),
    XDG_DATA_HOME: join(this.folder, "data"),
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(this.folder, "bus")}`,
  };
  #bus: ChildProcess | undefined;
  #keyring: ChildProcess | undefined;

  /** @param ended is given what stops and removes it: `onTestFinished` */
  static async start(ended: (stop: () => void) => void): Promise<SecretService> {
    const service = new SecretService();
    ended(() => service.#remove());
    mkdirSync(service.env.XDG_RUNTIME_DIR, { mode: 0o700 });
    await service.#startBus();
    await service.startKeyring();
    return service;
  }

  /** Starts the keyring and unlocks it; what it holds is what it held. */
  async startKeyring(): Promise<void> {
    const args = ["--foreground", "--unlock", "--components=secrets"];
    this.#keyring = spawn("gnome-keyring-daemon", args, {
      env: this.env,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const failed = new Promise<never>((_, reject) => this.#keyring?.once("error", reject));
    this.#keyring.stdin?.end("\n");
    await Promise.race([this.#answers(), failed]);
  }

  async killKeyring(): Promise<void> {
    const gone = new Promise((resolve) => this.#keyring?.once("close", resolve));
    this.#keyring?.kill("SIGKILL");
    await gone;
  }

  /** The keyring hears nothing until it is resumed. */
  freeze(): void {
    this.#keyring?.kill("SIGSTOP");
  }

  resume(): void {
    this.#keyring?.kill("SIGCONT");
  }

  /** Without a screen, a request to unlock it is dismissed at once. */
  lock(): void {
    const method = "org.freedesktop.Secret.Service.Lock";
    this.#call("org.freedesktop.secrets", "/org/freedesktop/secrets", method, `array:objpath:${collection}`);
  }

  /** From now on whoever asks to unlock it waits for somebody who never comes. */
  letQuestionsWait(): void {
    const script = join(this.folder, "prompter");
    writeFileSync(script, `#!/bin/sh\necho $$ >> "${this.#asked}"\nexec sleep 100\n`, { mode: 0o700 });
    const service = `[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=${script}\n`;
    writeFileSync(join(this.folder, "services", "prompter.service"), service);
    this.#call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig");
  }

  /** How often somebody was asked. */
  questions(): number {
    return this.#prompters.length;
  }

  /** How many processes of its session speak to it for amesh. */
  speakers(): number {
    const seenBy = (pid: string, file: string) => {
      try {
        return readFileSync(join("/proc", pid, file), "latin1");
      } catch {
        return ""; // it has ended
      }
    };
    return readdirSync("/proc").filter(
      (pid) =>
        seenBy(pid, "cmdline").includes("keychain-process.js") &&
        seenBy(pid, "environ").includes(this.folder),
    ).length;
  }

  /** The accounts of all items of amesh. */
  accounts(): string[] {
    const { stderr } = this.#tool(["search", "--all", "service", "amesh"]);
    return [...stderr.matchAll(/^attribute\.username = (.*)$/gm)].map(([, account = ""]) => account).sort();
  }

  read(account: string): string {
    return this.#tool(["lookup", "service", "amesh", "username", account]).stdout;
  }

  /** As another program does it, with an attribute of its own: beside what is there, not in its place. */
  add(account: string, secret: string): void {
    const attributes = ["service", "amesh", "username", account, "by", "secret-tool"];
    this.#tool(["store", "--label=added", ...attributes], secret);
  }

  clear(account: string): void {
    this.#tool(["clear", "service", "amesh", "username", account]);
  }

  #tool(args: readonly string[], input = "") {
    return spawnSync("secret-tool", args, { env: this.env, input, encoding: "utf8" });
  }

  async #startBus(): Promise<void> {
    const config = join(this.folder, "bus.conf");
    const services = join(this.folder, "services");
    mkdirSync(services);
    writeFileSync(
      config,
      `<busconfig>
        <type>session</type>
        <listen>${this.env.DBUS_SESSION_BUS_ADDRESS}</listen>
        <auth>EXTERNAL</auth>
        <servicedir>${services}</servicedir>
        <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
      </busconfig>`,
    );
    const args = [`--config-file=${config}`, "--nofork", "--print-address"];
    this.#bus = spawn("dbus-daemon", args, { env: this.env, stdio: ["ignore", "pipe", "ignore"] });
    const lines = createInterface({ input: this.#bus.stdout as NodeJS.ReadableStream });
    await new Promise((resolve, reject) => {
      lines.once("line", resolve);
      this.#bus?.once("error", reject);
    });
  }

  async #answers(): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (this.#tool(["search", "service", "amesh"]).status !== 0) {
      if (performance.now() > deadline) throw new Error("gnome-keyring does not start.");
      await pause(5);
    }
  }

  #call(destination: string, path: string, method: string, ...args: readonly string[]): void {
    const call = ["--session", "--print-reply", `--dest=${destination}`, path, method, ...args];
    execFileSync("dbus-send", call, { env: this.env, stdio: "pipe" });
  }

  /** The processes that were started to ask somebody. */
  get #prompters(): number[] {
    if (!existsSync(this.#asked)) return [];
    return readFileSync(this.#asked, "utf8").trim().split("\n").map(Number);
  }

  get #asked(): string {
    return join(this.folder, "prompters");
  }

  #remove(): void {
    this.#keyring?.kill("SIGKILL");
    this.#bus?.kill("SIGKILL");
    for (const pid of this.#prompters) process.kill(pid, "SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
