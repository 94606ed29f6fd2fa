import type { AuditEvent, AuditSink, RedisCommands } from "@authmesh/core";
import { encodeEvent } from "./encode-event.js";

export interface RedisStreamOptions {
  readonly commands: RedisCommands;
  /** Key of the stream. Default "am:audit". */
  readonly key?: string;
  /** Entries that Redis keeps, about. Default 1,000,000. */
  readonly maxLength?: number;
}

/** Appends each event to a stream of Redis, as the field `event` of an entry. */
export class RedisStreamAuditSink implements AuditSink {
  readonly #commands: RedisCommands;
  readonly #key: string;
  readonly #maxLength: string;

  /** @throws TypeError for options that make no sense */
  constructor({ commands, key = "am:audit", maxLength = 1_000_000 }: RedisStreamOptions) {
    if (!Number.isSafeInteger(maxLength) || maxLength < 1)
      throw new TypeError("maxLength must be a whole number above 0.");
    this.#commands = commands;
    this.#key = key;
    this.#maxLength = String(maxLength);
  }

  async write(events: readonly AuditEvent[], signal?: AbortSignal): Promise<void> {
    const bounds = ["MAXLEN", "~", this.#maxLength, "*"];
    const appended = Promise.all(
      events.map((event) =>
        this.#commands.send(this.#key, ["XADD", this.#key, ...bounds, "event", encodeEvent(event)]),
      ),
    );
    await unlessAborted(appended, signal);
  }
}

/** A command cannot be taken back; whoever waits for it can be told to wait no longer. */
async function unlessAborted(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    signal?.addEventListener("abort", stop);
  });
  await Promise.race([work, aborted]).finally(() => signal?.removeEventListener("abort", stop));
}
