import { AmeshError, failure, utf8 } from "@authmesh/core";

export interface EventStreamLimits {
  readonly most: number;
  /** Of one name: an address, or a device. */
  readonly mostOfOne: number;
}

/** One stream of server-sent events, as whoever fills it sees it. */
export interface EventStream {
  /** @param data is written as JSON */
  send(event: string, data: object, id?: string): void;
  /** @param event as `eventText` writes it: for what many are told */
  write(event: Uint8Array): void;
  end(): void;
}

interface Open {
  readonly name: string;
  write(event: Uint8Array): void;
  end(): void;
}

/** Bytes that may wait for a reader. One that is slower is cut off: it comes again, and asks for what it missed. */
const mostUnread = 262_144;
const heartbeatEveryMs = 15_000;
/** Seconds after which whoever found no place may try again. */
const retryAfterSeconds = 15;

/** Server-sent events to a bounded number of readers, each with a sign of life every 15 seconds. */
export class EventStreams {
  readonly #limits: EventStreamLimits;
  readonly #heartbeatMs: number;
  readonly #open = new Set<Open>();
  /** How many are open, by name. */
  readonly #counts = new Map<string, number>();
  #heart: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(limits: EventStreamLimits, heartbeatMs = heartbeatEveryMs) {
    this.#limits = limits;
    this.#heartbeatMs = heartbeatMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Opens a stream.
   *
   * @param name whose it is, for the limit
   * @param begin fills it, and gives the way to stop that; called at once
   * @param cut ends the connection of a reader that is too slow. Default: the stream ends behind what waits for it
   * @throws AmeshError `rate_limited` where there is no place, `authority_not_ready` after `close`
   */
  open(name: string, begin: (stream: EventStream) => () => void, cut?: () => void): Response {
    this.#refuseBeyondLimits(name);
    let stop = () => {};
    const leave = () => {
      if (!this.#open.delete(opened)) return;
      this.#count(name, -1);
      this.#rest();
      stop();
    };
    const { body, controller } = unreadBytes(leave);
    const opened: Open = {
      name,
      write: (event) => {
        if (!this.#open.has(opened)) return;
        controller.enqueue(event);
        if ((controller.desiredSize ?? 0) >= 0) return;
        opened.end();
        cut?.();
      },
      end: () => {
        if (!this.#open.has(opened)) return;
        leave();
        controller.close();
      },
    };
    this.#open.add(opened);
    this.#count(name, 1);
    this.#heart ??= setInterval(() => this.#beat(), this.#heartbeatMs).unref();
    opened.write(sign); // the headers go out with it
    const given = begin({
      send: (event, data, id) => opened.write(eventText(event, JSON.stringify(data), id)),
      write: (event) => opened.write(event),
      end: () => opened.end(),
    });
    if (this.#open.has(opened)) stop = given;
    else given();
    return new Response(body, { headers: eventStreamHeaders });
  }

  /** Ends every stream. */
  end(): void {
    for (const opened of [...this.#open]) opened.end();
  }

  /** Ends every stream, and opens none any more. */
  close(): void {
    this.#isClosed = true;
    this.end();
  }

  #refuseBeyondLimits(name: string): void {
    if (this.#isClosed) throw new AmeshError("authority_not_ready", "The authority is about to stop.");
    const { most, mostOfOne } = this.#limits;
    const ofOne = this.#counts.get(name) ?? 0;
    if (this.#open.size < most && ofOne < mostOfOne) return;
    const detail =
      ofOne < mostOfOne ? "Too many listen already." : `This caller has ${ofOne} streams open already.`;
    const refusal = failure("rate_limited", detail, "Ask now and then instead.");
    throw new AmeshError({ ...refusal, retryAfterSeconds });
  }

  #count(name: string, by: 1 | -1): void {
    const count = (this.#counts.get(name) ?? 0) + by;
    if (count === 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }

  #beat(): void {
    for (const opened of [...this.#open]) opened.write(sign);
  }

  #rest(): void {
    if (this.#open.size > 0) return;
    clearInterval(this.#heart);
    this.#heart = undefined;
  }
}

/** A body that is written from outside. @param left called when its reader goes */
function unreadBytes(left: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      cancel: left,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: mostUnread }),
  );
  // `start` was called by now.
  return { body, controller: controller as unknown as ReadableStreamDefaultController<Uint8Array> };
}

const eventStreamHeaders = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  // Some proxies would keep events until they have a page full of them.
  "X-Accel-Buffering": "no",
};

/** A comment: a sign of life. */
const sign = utf8(":\n\n");

/** @param data without line breaks, as JSON and a JWS are */
export const eventText = (event: string, data: string, id?: string): Uint8Array =>
  utf8(`event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${data}\n\n`);
