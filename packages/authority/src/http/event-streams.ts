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
  end(): void;
}

interface Open {
  readonly name: string;
  write(text: string): void;
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
   * @throws AmeshError `rate_limited` where there is no place, `authority_not_ready` after `close`
   */
  open(name: string, begin: (stream: EventStream) => () => void): Response {
    this.#refuseBeyondLimits(name);
    let stop = () => {};
    const leave = () => {
      if (!this.#open.delete(opened)) return;
      this.#rest();
      stop();
    };
    const { body, controller } = unreadBytes(leave);
    const opened: Open = {
      name,
      write: (text) => {
        if (!this.#open.has(opened)) return;
        controller.enqueue(utf8(text));
        if ((controller.desiredSize ?? 0) < 0) opened.end();
      },
      end: () => {
        if (!this.#open.has(opened)) return;
        leave();
        controller.close();
      },
    };
    this.#open.add(opened);
    this.#heart ??= setInterval(() => this.#beat(), this.#heartbeatMs).unref();
    opened.write(sign); // the headers go out with it
    const given = begin({
      send: (event, data, id) => opened.write(eventText(event, data, id)),
      end: () => opened.end(),
    });
    if (this.#open.has(opened)) stop = given;
    else given();
    return new Response(body, { headers: eventStreamHeaders });
  }

  /** Ends every stream, and opens none any more. */
  close(): void {
    this.#isClosed = true;
    for (const opened of [...this.#open]) opened.end();
  }

  #refuseBeyondLimits(name: string): void {
    if (this.#isClosed) throw new AmeshError("authority_not_ready", "The authority is about to stop.");
    const { most, mostOfOne } = this.#limits;
    const ofOne = [...this.#open].filter((opened) => opened.name === name).length;
    if (this.#open.size < most && ofOne < mostOfOne) return;
    const detail =
      ofOne < mostOfOne ? "Too many listen already." : `This caller has ${ofOne} streams open already.`;
    const refusal = failure("rate_limited", detail, "Ask now and then instead.");
    throw new AmeshError({ ...refusal, retryAfterSeconds });
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
const sign = ":\n\n";

/** JSON has no line breaks. */
const eventText = (event: string, data: object, id: string | undefined): string =>
  `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
