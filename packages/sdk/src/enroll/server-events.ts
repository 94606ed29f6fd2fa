import { AmeshError, parseStrictJson } from "@authmesh/core";
import type { Reader } from "@authmesh/core/records";
import { EventStreamReader } from "@authmesh/oath/caller";
import { within } from "@authmesh/oath/timing";
import { unreachable } from "../authority/json-answer.js";
import { readTold } from "./told.js";

/** An authority gives a sign of life every 15 seconds. */
const silenceMs = 45_000;

/**
 * What the events of one name tell, as they come. Ends when the stream does.
 *
 * @throws AmeshError `service_unreachable` for a stream that is cut or falls silent, `service_error` for what is none
 */
export async function* serverEvents<T>(
  { url, body }: Response,
  name: string,
  reader: Reader<T>,
): AsyncGenerator<T, void, undefined> {
  const bytes = body?.getReader();
  const events = new EventStreamReader();
  try {
    for (;;) {
      const { done, value } = (await (bytes && within(silenceMs, bytes.read()))) ?? {
        done: true,
        value: undefined,
      };
      if (done) return;
      for (const { event, data } of events.push(value))
        if (event === name) yield readTold(reader, parseStrictJson(data).value);
    }
  } catch (error) {
    throw isMalformed(error)
      ? new AmeshError("service_error", error.message, { cause: error })
      : unreachable(new URL(url), error);
  } finally {
    bytes?.cancel().catch(() => {}); // nobody reads it
  }
}

const isMalformed = (error: unknown): error is AmeshError =>
  error instanceof AmeshError && error.code === "feed_malformed";
