import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";

export interface LiveBodyLimits {
  readonly maxBytes: number;
  /** Longest silence of a caller whose next bytes are wanted; 0: none. */
  readonly idleMs: number;
}

/**
 * A body as it arrives. It fails with `payload_too_large` where it goes on beyond its limit, with `body_timeout` where the
 * caller falls silent, and with `body_incomplete` where the connection ends first. What nobody took is left in the source.
 */
export class LiveBody extends Readable {
  readonly #source: Readable;
  readonly #limits: LiveBodyLimits;
  #length = 0;
  #listening = false;
  #silence: NodeJS.Timeout | undefined;

  constructor(source: Readable, limits: LiveBodyLimits) {
    super();
    this.#source = source;
    this.#limits = limits;
  }

  override _read(): void {
    const { idleMs } = this.#limits;
    if (idleMs > 0) this.#silence ??= setTimeout(() => this.#fail("body_timeout"), idleMs);
    if (!this.#listening) this.#listen();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#rest();
    this.#source.off("data", this.#take).off("end", this.#end).off("close", this.#cutOff).pause();
    done(error);
  }

  #listen(): void {
    this.#listening = true;
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
      this.#source.pause();
    }
  };

  readonly #end = (): void => {
    this.#rest();
    this.push(null);
  };

  readonly #cutOff = (): void => {
    if (!this.#source.readableEnded) this.#fail("body_incomplete");
  };

  #rest(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #fail(code: "payload_too_large" | "body_timeout" | "body_incomplete"): void {
    this.destroy(new AmeshError(code));
  }
}
