import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

export const softHsmModule = "/usr/lib/softhsm/libsofthsm2.so";
const troubledModule = fileURLToPath(new URL("processes/troubled-module.c", import.meta.url));

/** A token of SoftHSM: a folder of files. */
export interface SoftToken {
  readonly label: string;
  readonly serial: string;
  readonly pin: string;
  /** What gives the PIN to whoever uses it. */
  readonly env: { readonly AMESH_PIN: string };
}

const [pin, soPin] = ["1234", "12345678"];

/**
 * SoftHSM with a folder of tokens of its own. The module looks for its settings in the environment of the process,
 * as C sees it, when it is started: there is one such folder a process.
 */
export class SoftHsm {
  readonly folder = mkdtempSync(join(tmpdir(), "amesh-softhsm-"));
  readonly env = { SOFTHSM2_CONF: join(this.folder, "softhsm2.conf"), TROUBLE: join(this.folder, "trouble") };

  /** @param ended is given what removes it: `afterAll` */
  static start(ended: (stop: () => void) => void): SoftHsm {
    if (!isMainThread) throw new Error("Assignments to process.env reach C in the main thread alone.");
    const softHsm = new SoftHsm();
    ended(() => rmSync(softHsm.folder, { recursive: true, force: true }));
    for (const name of ["tokens", "away", "trouble"]) mkdirSync(join(softHsm.folder, name));
    writeFileSync(softHsm.env.SOFTHSM2_CONF, `directories.tokendir = ${join(softHsm.folder, "tokens")}\n`);
    Object.assign(process.env, softHsm.env);
    return softHsm;
  }

  /** A new token; it has the label that is given, else one of its own. */
  token(label = `amesh ${randomBytes(6).toString("hex")}`): SoftToken {
    const before = this.#serials();
    this.#util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPin);
    const serial = [...this.#serials()].find((each) => !before.has(each)) ?? "";
    return { label, serial, pin, env: { AMESH_PIN: pin } };
  }

  /** Wipes a token and gives it a label; the serial number stays. */
  wipe({ serial }: SoftToken, label: string): void {
    this.#util("--init-token", "--serial", serial, "--label", label, "--pin", pin, "--so-pin", soPin);
  }

  /** Takes a token away; whoever calls what is returned puts it back. */
  takeAway({ serial }: SoftToken): () => void {
    const name = readdirSync(join(this.folder, "tokens")).find((each) => serialOf(each) === serial) ?? "";
    const [here, away] = [join(this.folder, "tokens", name), join(this.folder, "away", name)];
    renameSync(here, away);
    return () => renameSync(away, here);
  }

  /** Runs pkcs11-tool on a token, logged in or not. */
  tool({ label }: SoftToken, login: "with the PIN" | "without the PIN", ...args: string[]): string {
    const pinArgs = login === "with the PIN" ? ["--login", "--pin", pin] : [];
    return this.#run("pkcs11-tool", ["--module", softHsmModule, "--token-label", label, ...pinArgs, ...args]);
  }

  /** Compiles the module that makes trouble, and returns its path. */
  compileTroubledModule(): string {
    const includes = join(dirname(createRequire(import.meta.url).resolve("pkcs11js")), "includes");
    const module = join(this.folder, "troubled.so");
    const define = `-DSOFTHSM="${softHsmModule}"`;
    this.#run("gcc", ["-shared", "-fPIC", "-I", includes, define, "-o", module, troubledModule, "-ldl"]);
    return module;
  }

  /** @param content see troubled-module.c */
  makeTrouble(name: "flags" | "mechanism" | "login" | "sign" | "hang", content: string): void {
    writeFileSync(join(this.env.TROUBLE, name), content);
  }

  endTrouble(): void {
    for (const name of readdirSync(this.env.TROUBLE)) rmSync(join(this.env.TROUBLE, name));
    writeFileSync(join(this.env.TROUBLE, "calls"), "");
  }

  /** How often the module that makes trouble was called since the trouble ended. */
  calls(name: "C_Initialize" | "C_Login" | "C_SignInit"): number {
    const calls = readFileSync(join(this.env.TROUBLE, "calls"), "utf8");
    return calls.split("\n").filter((call) => call === name).length;
  }

  #serials(): ReadonlySet<string> {
    return new Set(readdirSync(join(this.folder, "tokens")).map(serialOf));
  }

  #util(...args: string[]): void {
    this.#run("softhsm2-util", args);
  }

  #run(program: string, args: readonly string[]): string {
    const env = { ...process.env, ...this.env };
    return execFileSync(program, args, { env, encoding: "utf8", stdio: "pipe" });
  }
}

/** SoftHSM names the folder of a token by a UUID, of which the serial number is the end. */
const serialOf = (folder: string) => folder.replaceAll("-", "").slice(-16);
