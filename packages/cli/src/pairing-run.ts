import type { PairingEvent } from "@authmesh/sdk/pairing";
import type { Terminal } from "./terminal/terminal.js";

/** How each event reads for people; nothing means silence. */
export type PairingTexts = {
  readonly [Name in PairingEvent["event"]]?: (
    event: Extract<PairingEvent, { readonly event: Name }>,
  ) => string;
};

/** Runs a pairing to its end and tells how it goes. An interrupt cancels it. */
export async function runPairing(
  terminal: Terminal,
  texts: PairingTexts,
  begin: (signal: AbortSignal) => AsyncIterable<PairingEvent>,
): Promise<void> {
  for await (const event of begin(interruption())) {
    const describe = texts[event.event] as ((event: PairingEvent) => string) | undefined;
    terminal.report(event, describe?.(event) ?? "");
  }
}

/** Aborted by the first interrupt; a second one ends the process. */
export function interruption(): AbortSignal {
  const cancel = new AbortController();
  const stop = () => cancel.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  return cancel.signal;
}

/** The option that both sides have. */
export const relayOption = {
  flags: "--relay URL",
  about: "relay to meet at (AMESH_RELAY_URL; default wss://relay.authmesh.dev/ws)",
};

/** What both sides may exit with. */
export const pairingExit = [
  ["0", "paired"],
  ["1", "not paired: the other side left or did not answer in time; nothing was changed here"],
  ["2", "the command line cannot be read, or an answer is needed and nobody can be asked"],
  ["3", "refused: a code did not fit, or somebody may stand in between"],
  ["4", "there is no identity yet, or the code has expired"],
  ["5", "the relay or the other side cannot be reached"],
] as const;
