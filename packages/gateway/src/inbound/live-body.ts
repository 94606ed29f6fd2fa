import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";

/** Bytes that a caller has a second more for. */
const bytesASecond = 65_536;

export interface LiveBodyLimits {
  readonly maxBytes: number;
  /** How long it may take, and a second more for each 64 KiB that came. */
  readonly totalMs: number;
  /** Longest silence of a caller whose next bytes are wanted; 0: none. */
  readonly idleMs: number;
}

/**
 * A body as it arrives. It fails with `payload_too_large` where it goes on beyond its limit, with `body_timeout` where the
 * caller falls silent or takes too long, and with `body_incomplete` where the connection ends first. What nobody took is left in the source.
 */
export class LiveBody extends Readable {
  readonly #source: Readable;
  readonly #limits: LiveBodyLimits;
  #length = 0;
  #listening = false;
  #silence: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  /** Milliseconds for which the caller was waited for before it was last told to pause. */
  #waitedMs = 0;
  #waitsSince: number | undefined;

  constructor(source: Readable, limits: LiveBodyLimits) {
    super();
    this.#source = source;
    this.#limits = limits;
  }

  override _read(): void {
    const { idleMs } = this.#limits;
    if (idleMs > 0) this.#silence ??= setTimeout(() => this.#fail("body_timeout"), idleMs);
    this.#waitsSince ??= performance.now();
    if (!this.#listening) this.#listen();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#rest();
    clearTimeout(this.#deadline);
    this.#source.off("data", this.#take).off("end", this.#end).off("close", this.#cutOff).pause();
    done(error);
  }

  #listen(): void {
    this.#listening = true;
    this.#awaitWhole(this.#limits.totalMs);
    if (this.#source.destroyed && !this.#source.readableEnded) this.#cutOff();
    else this.#source.on("data", this.#take).on("end", this.#end).on("close", this.#cutOff);
  }

  readonly #take = (chunk: Buffer): void => {
    this.#length += chunk.length;
    if (this.#length > this.#limits.maxBytes) this.#fail("payload_too_large");
    else if (this.push(chunk)) this.#silence?.refresh();
    else {
      // The upstream is the slow one now.
      this.#rest();
      this.#waitedMs = this.#waited();
      this.#waitsSince = undefined;
      this.#source.pause();
    }
  };

  readonly #end = (): void => {
    this.#rest();
    clearTimeout(this.#deadline);
    this.push(null);
  };

  readonly #cutOff = (): void => {
    if (!this.#source.readableEnded) this.#fail("body_incomplete");
  };

  #awaitWhole(ms: number): void {
    this.#deadline = setTimeout(() => {
      const leftMs = this.#limits.totalMs + (this.#length / bytesASecond) * 1000 - this.#waited();
      if (leftMs > 0) this.#awaitWhole(leftMs);
      else this.#fail("body_timeout");
    }, ms);
  }

  /** What the upstream takes its time for is not the caller's. */
  #waited(): number {
    return this.#waitedMs + (this.#waitsSince === undefined ? 0 : performance.now() - this.#waitsSince);
  }

  #rest(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #fail(code: "payload_too_large" | "body_timeout" | "body_incomplete"): void {
    this.destroy(new AmeshError(code));
  }
}
