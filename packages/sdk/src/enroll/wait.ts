import { readAnswer } from "../authority/json-answer.js";
import { answerChallenge } from "./answer-challenge.js";
import { type EnrolledMachine, openMachine } from "./enrolled-machine.js";
import type { EnrollOptions } from "./options.js";
import { mayPass, pause } from "./patience.js";
import { noteOutcome } from "./remembered.js";
import { serverEvents } from "./server-events.js";
import { type EnrollmentOutcome, outcome, readTold } from "./told.js";

export interface WaitOptions extends EnrollOptions {
  /** Milliseconds between two questions where the authority's answer cannot be streamed, and before asking anew. Default 5,000. */
  readonly pollMs?: number | undefined;
}

/**
 * Waits until this machine's request is decided: told by the authority at once, or asked for every few seconds. An authority that
 * is away is waited for. Of one that was decided already the outcome comes at once.
 *
 * @returns what came of it: `approved`, `denied`, `expired` or `revoked`
 * @throws AmeshError `challenge_refused` where there is no such request any more; the signal's reason
 */
export async function waitForEnrollment(options: WaitOptions = {}): Promise<EnrollmentOutcome> {
  const { pollMs = 5000, signal } = options;
  const machine = await openMachine(options);
  for (;;) {
    const streamed = await listen(machine).catch(unlessPassing);
    // Some proxies let no stream through, and an authority has only so many.
    const told = streamed ?? (await askOutcome(machine).catch(unlessPassing));
    if (told !== undefined && told.status !== "pending") {
      await noteOutcome(machine.open.dir, told);
      return told;
    }
    await pause(pollMs, signal);
  }
}

/** Asks once, and is told at once. */
export async function askOutcome(machine: EnrolledMachine): Promise<EnrollmentOutcome> {
  const told = await answerChallenge(machine, "wait", (answer, authority) =>
    authority.ask("POST", path, { answer }),
  );
  return readTold(outcome, told);
}

const path = "/v1/enrollments/wait";
const mostBytes = 65_536;

/** What the authority tells at the end of a stream, or at once where it makes none; undefined where it tells nothing. */
async function listen(machine: EnrolledMachine): Promise<EnrollmentOutcome | undefined> {
  const { signal } = machine;
  const ending = new AbortController();
  const stop = () => ending.abort(signal?.reason);
  try {
    const response = await answerChallenge(machine, "wait", async (answer, authority) => {
      const begun = await authority.stream("POST", path, ending.signal, { answer });
      // Not before: an answer that is under way is brought to its end.
      signal?.addEventListener("abort", stop);
      if (signal?.aborted) stop();
      return begun;
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const { body } = await readAnswer(new URL(response.url), response, mostBytes);
      return readTold(outcome, body);
    }
    let last: EnrollmentOutcome | undefined;
    for await (last of serverEvents(response, "status", outcome)) if (last.status !== "pending") break;
    return last;
  } finally {
    signal?.removeEventListener("abort", stop);
    if (!signal?.aborted) ending.abort();
  }
}

function unlessPassing(error: unknown): undefined {
  if (!mayPass(error)) throw error;
}
