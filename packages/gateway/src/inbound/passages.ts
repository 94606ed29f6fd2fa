import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Exchange } from "./gateway-request.js";
import type { Generation } from "./generation.js";
import type { Refusals } from "./refusals.js";
import type { SpoolRoom } from "./spool.js";

/** What a request passes through. */
export interface Passage {
  readonly generation: Generation;
  readonly refusals: Refusals;
  readonly room: SpoolRoom;
}

/** What became of a request. */
export interface Passed {
  /** Name of its route; "" where it came to none. */
  readonly route: string;
  /** That was answered; undefined where the caller left before it had the whole answer. */
  readonly status: number | undefined;
}

/** What becomes of requests: they are sent on, or answered here. Neither rejects. */
export interface Passages {
  request(passage: Passage, exchange: Exchange, expectsContinue: boolean): Promise<Passed>;
  upgrade(passage: Passage, request: IncomingMessage, socket: Socket, first: Buffer): Promise<Passed>;
  /** Called when no request is under way any more. */
  close?(): Promise<void>;
}
