import { failure, type PairingInput } from "@authmesh/core";
import type { Arrival } from "./relay-connection.js";

/** The work that the relay asked for is done; without an answer, there is none. */
export interface Worked {
  readonly type: "worked";
  readonly answer: number | undefined;
}

/** What can happen to one side: the relay says something, somebody answers or refuses to, time is up, it is cancelled. */
export type Happening = Arrival | Worked | PairingInput | (PairingInput & { readonly thrown: unknown });

/** What happened and was not looked at yet, in order. One taker at a time. */
export class Inbox {
  readonly #signal: AbortSignal | undefined;
  readonly #happenings: Happening[] = [];
  #wake = () => {};

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  readonly put = (happening: Happening): void => {
    this.#happenings.push(happening);
    this.#wake();
  };

  get cancelled(): boolean {
    return this.#signal?.aborted === true;
  }

  /**
   * The next thing to happen: `abort` once the signal says so, before anything else; `timeout` when nothing has
   * happened by then. No timer and no listener outlives the call.
   *
   * @param until on the clock of `performance.now()`
   */
  async take(until: number): Promise<Happening> {
    if (!this.cancelled && this.#happenings.length === 0) await this.#wait(until - performance.now());
    if (this.cancelled) return { type: "abort", failure: failure("pairing_cancelled") };
    return this.#happenings.shift() ?? { type: "timeout" };
  }

  async #wait(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#signal?.addEventListener("abort", this.#wake);
      timer = setTimeout(resolve, milliseconds);
    });
    clearTimeout(timer);
    this.#signal?.removeEventListener("abort", this.#wake);
  }
}
