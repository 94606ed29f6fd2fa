import type { AmeshError, ErrorCode } from "@authmesh/core";
import type { Schedule } from "@authmesh/oath/timing";
import type { Forwarded } from "./forwarder.js";

const shortMs = 1000;

/** What was good when a request began, and came to its end by itself. */
const expiries: ReadonlySet<ErrorCode> = new Set(["token_expired", "entry_expired"]);

export interface LastingScene {
  /** Milliseconds that only grow. */
  readonly now: () => number;
  readonly schedule: Schedule;
}

/**
 * Tells of callers that would no longer be let in while a request of theirs is under way (docs/protocol.md, section 14.6). Most
 * requests are over within a second: they cost a place in a set, and nobody is asked about them.
 */
export class LastingRequests {
  readonly #scene: LastingScene;
  readonly #fresh = new Set<LastingRequest>();
  #awaited = false;

  constructor(scene: LastingScene) {
    this.#scene = scene;
  }

  /** @param lose called once at most; returns what is to be called when the request is over */
  add(request: Forwarded, lose: (reason: AmeshError) => void): () => void {
    if (request.admitted.caller === undefined) return () => {};
    const lasting = new LastingRequest(request, lose, this.#scene);
    this.#fresh.add(lasting);
    if (!this.#awaited) this.#scene.schedule(() => this.#watch(), shortMs);
    this.#awaited = true;
    return () => {
      this.#fresh.delete(lasting);
      lasting.rest();
    };
  }

  #watch(): void {
    this.#awaited = false;
    for (const lasting of this.#fresh) lasting.watch();
    this.#fresh.clear();
  }
}

class LastingRequest {
  readonly #request: Forwarded;
  readonly #lose: (reason: AmeshError) => void;
  readonly #scene: LastingScene;
  readonly #since: number;
  #stop = () => {};

  constructor(request: Forwarded, lose: (reason: AmeshError) => void, scene: LastingScene) {
    this.#request = request;
    this.#lose = lose;
    this.#scene = scene;
    this.#since = scene.now();
  }

  watch(): void {
    this.#stop = this.#request.admitted.watch((reason) => this.#lost(reason));
  }

  rest(): void {
    this.#stop();
  }

  /** What came in time has the time for its answer that any other has. */
  #lost(reason: AmeshError): void {
    const { now, schedule } = this.#scene;
    const leftMs = this.#since + this.#request.route.answerTimeoutMs - now();
    if (expiries.has(reason.code) && leftMs > 0) this.#stop = schedule(() => this.#lose(reason), leftMs);
    else this.#lose(reason);
  }
}
