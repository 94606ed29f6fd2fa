import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/**
 * Whether the parser hands a connection over is decided here: for WebSocket, and for CONNECT, which is refused. A request
 * for another protocol, such as `h2c`, is read as if it had not asked, with its body (docs/protocol.md, section 14.1).
 */
export class WebSocketOnly extends IncomingMessage {
  declare private asked: boolean | undefined;

  constructor(socket: Socket) {
    super(socket);
  }

  get upgrade(): boolean {
    if (this.asked !== true) return false;
    if (this.method === "CONNECT") return true;
    const { upgrade = [] } = this.headersDistinct;
    return upgrade.length === 1 && upgrade[0]?.toLowerCase() === "websocket";
  }

  /**
   * Whether another protocol was asked for in vain. The parser loses what was sent behind such a request, so that its
   * connection ends with the answer.
   */
  get isDeclined(): boolean {
    return this.asked === true;
  }

  set upgrade(asked: boolean | undefined) {
    this.asked = asked;
  }
}
