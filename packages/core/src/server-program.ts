import { AmeshError, lookUp, quoteForeign } from "./errors.js";

export { readBounded } from "./bounded-read.js";
export * from "./secret-source.js";

/** Where a program writes. */
export interface Output {
  write(text: string): unknown;
}

/** What tells a program to stop, or to read its configuration again: `process`, in a program. */
export interface Signals {
  on(name: SignalName | "SIGHUP", listener: () => void): unknown;
  off(name: SignalName | "SIGHUP", listener: () => void): unknown;
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;
type SignalName = keyof typeof signalNumbers;
const signalNames = ["SIGINT", "SIGTERM"] as const;

/**
 * Waits for a signal. The first one closes the server; the second does not wait for that.
 *
 * @returns the exit status, to end the process with
 */
export function untilStopped(signals: Signals, close: () => Promise<void>): Promise<number> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (name: SignalName): void => {
      if (stopping) finish(128 + signalNumbers[name]);
      else close().then(() => finish(0), reject);
      stopping = true;
    };
    const listeners = { SIGINT: () => stop("SIGINT"), SIGTERM: () => stop("SIGTERM") };
    const finish = (status: number): void => {
      for (const name of signalNames) signals.off(name, listeners[name]);
      resolve(status);
    };
    for (const name of signalNames) signals.on(name, listeners[name]);
  });
}

/**
 * Says why a server did not start, or ended.
 *
 * @param argv with `--json` among them it is a document on standard output
 * @returns the exit status
 * @throws whatever is no AmeshError
 */
export function tellFailure(
  error: unknown,
  argv: readonly string[],
  { stdout, stderr }: { readonly stdout: Output; readonly stderr: Output },
): number {
  if (!(error instanceof AmeshError)) throw error;
  const { code, message: detail, fix } = error;
  if (argv.includes("--json"))
    stdout.write(`${JSON.stringify({ schema: 1, error: { code, detail, fix } })}\n`);
  else stderr.write(`amesh: error: ${detail} (${code})\namesh: hint: ${fix}\n`);
  return lookUp(code)?.exit ?? 1;
}

/** The number that an option or its variable gives. @throws AmeshError `invalid_option` */
export function readInteger(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AmeshError("invalid_option", `${name} takes a number, not ${quoteForeign(text)}.`);
}

/**
 * What is a programmer's mistake in a call is a person's on the command line.
 *
 * @param fix what helps
 * @throws AmeshError `invalid_option` in the place of a TypeError
 */
export function asUsage<Result>(work: () => Result, fix = "--help explains the options."): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [firstSentence] = error.message.split(/\.(?:\s|$)/);
    throw new AmeshError("invalid_option", `${firstSentence}.`, { fix, cause: error });
  }
}
