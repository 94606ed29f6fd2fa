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

/** What becomes of requests: they are sent on, or answered here. Neither rejects. */
export interface Passages {
  request(passage: Passage, exchange: Exchange, expectsContinue: boolean): Promise<void>;
  upgrade(passage: Passage, request: IncomingMessage, socket: Socket, first: Buffer): Promise<void>;
  /** Called when no request is under way any more. */
  close?(): Promise<void>;
}
