import { spawn } from "node:child_process";
import { concatBytes } from "@authmesh/core";
import { errorCode } from "@authmesh/core/storage-error";
import { inTimedTurn } from "../internal/timed-turn.js";
import { Trouble } from "../internal/trouble.js";
import { type HelperCommand, maxLineLength, readAnswer, writeRequest } from "./messages.js";
import { notTheHelper } from "./refusals.js";

/**
 * Starts the helper, asks it for one thing and waits until it has ended. Callers of one process come one after another.
 *
 * @param program absolute path of what may be run
 * @param timeoutMs for the whole of it, waiting for others included; a helper that is still running then is killed
 * @throws Trouble `key_store_busy` when the time is over
 */
export async function askHelper<T>(
  program: string,
  timeoutMs: number,
  command: HelperCommand<T>,
): Promise<T> {
  const tooLate = () =>
    new Trouble("key_store_busy", `${program} gave no answer within ${timeoutMs / 1000} s`);
  const output = await inTimedTurn(`secure-enclave ${program}`, timeoutMs, tooLate, (signal) =>
    run(program, writeRequest(command), signal),
  );
  try {
    return readAnswer(command, output);
  } finally {
    output.fill(0); // may hold the shared secret
  }
}

/** What a program writes to standard output until it ends well. */
function run(program: string, input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const child = start(program);
    child.on("error", (error) => reject(notStarted(program, error)));
    if (child.pid === undefined) return; // it has no pipes where the system has none left
    const fail = (error: unknown) => {
      child.kill("SIGKILL");
      child.stdout.destroy(); // something that the program started may hold it open
      reject(error);
    };
    signal.addEventListener("abort", () => fail(signal.reason));
    child.stdin.on("error", () => undefined).end(input); // one that reads nothing is judged by what it says
    const chunks: Uint8Array[] = [];
    let length = 0;
    child.stdout.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxLineLength) fail(notTheHelper(`it writes more than ${maxLineLength} bytes`));
    });
    child.on("close", (status, ended) => {
      if (status === 0) resolve(concatBytes(...chunks));
      else fail(notTheHelper(ended === null ? `it ends with status ${status}` : `it is ended by ${ended}`));
    });
  });
}

/** Without arguments and environment, so that nothing else decides what it does. */
function start(program: string) {
  try {
    return spawn(program, [], { cwd: "/", env: {}, stdio: ["pipe", "pipe", "ignore"] });
  } catch (error) {
    throw notStarted(program, error); // some failures are thrown, others are events
  }
}

const startProblems: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  ENOENT: "what it needs to run is missing",
  ENOEXEC: "it is no program of this machine",
};

function notStarted(program: string, cause: unknown): Trouble {
  const code = errorCode(cause) ?? "it fails";
  const reason = `${program} cannot be run: ${startProblems[code] ?? code}`;
  return new Trouble("key_store_unavailable", reason, { cause });
}
