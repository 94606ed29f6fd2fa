import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { errorCode } from "@authmesh/core/storage-error";
import type { Environment } from "../folder.js";
import { inTimedTurn } from "../internal/timed-turn.js";
import { Trouble } from "../internal/trouble.js";
import type { Answer, Request } from "./keychain-process.js";
import { keychainLabel, keychainTrouble } from "./trouble.js";

/** The keychain while somebody uses it: items of the service "amesh", each under the name of an account. */
export class Keychain {
  readonly #process: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(process: ChildProcess, ended: Promise<never>) {
    this.#process = process;
    this.#ended = ended;
  }

  /** Undefined when there is no such item. @throws Trouble */
  async read(account: string): Promise<Uint8Array | undefined> {
    return (await this.#ask({ action: "read", account })).secret;
  }

  /** Makes the item or replaces it. @throws Trouble */
  async write(account: string, secret: Uint8Array): Promise<void> {
    await this.#ask({ action: "write", account, secret });
  }

  /** An item that is not there is no failure. @throws Trouble */
  async remove(account: string): Promise<void> {
    await this.#ask({ action: "remove", account });
  }

  async #ask(request: Request): Promise<{ readonly secret?: Uint8Array }> {
    const answer = new Promise<Answer>((resolve) => this.#process.once("message", resolve));
    if (this.#process.connected) this.#process.send(request);
    const answered = await Promise.race([answer, this.#ended]);
    if ("problem" in answered) throw keychainTrouble(answered.problem);
    return answered;
  }
}

/** Sources are run by tests only, and Node.js runs what is built. */
const program = fileURLToPath(new URL("../../dist/keychain/keychain-process.js", import.meta.url));

/**
 * Starts a process that speaks to the keychain, works with it, and ends it. Callers of one process come one after
 * another.
 *
 * @param env what the process knows: on Linux `DBUS_SESSION_BUS_ADDRESS` or `XDG_RUNTIME_DIR` say where to ask
 * @param timeoutMs for the whole of it, waiting for others included
 * @throws Trouble `key_store_locked` when the time is over: all but a question to a person ends sooner
 */
export function useKeychain<T>(
  env: Environment,
  timeoutMs: number,
  work: (keychain: Keychain) => Promise<T>,
): Promise<T> {
  return inTimedTurn(
    "keychain",
    timeoutMs,
    () => tooLate(timeoutMs),
    async (signal) => {
      const child = start(env);
      const ended = endOf(child, signal);
      try {
        return await work(new Keychain(child, ended));
      } finally {
        child.kill("SIGKILL");
      }
    },
  );
}

function start(env: Environment): ChildProcess {
  try {
    return fork(program, [], {
      // Whatever else is loaded into this program has no business where keys pass.
      env: { ...env, NODE_OPTIONS: undefined },
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  } catch (cause) {
    throw processFails(cause);
  }
}

/** Fails when the process can give no answers any more. */
function endOf(child: ChildProcess, signal: AbortSignal): Promise<never> {
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    child.once("exit", () =>
      reject(new Trouble("key_store_unavailable", "the process that speaks to it ended")),
    );
    child.on("error", (cause) => reject(processFails(cause)));
  });
  ended.catch(() => undefined); // it ends after its work, too
  return ended;
}

const processFails = (cause: unknown) => {
  const reason = `the process that speaks to it fails with ${errorCode(cause) ?? "an error"}`;
  return new Trouble("key_store_unavailable", reason, { cause });
};

const tooLate = (timeoutMs: number) =>
  new Trouble(
    "key_store_locked",
    `it gave no answer within ${timeoutMs / 1000} s; it seems to ask somebody for a password or for leave`,
    { fix: `Unlock the ${keychainLabel}, or answer what it asks on the screen, and try again.` },
  );
