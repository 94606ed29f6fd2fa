import type { RelayErrorCode } from "@authmesh/core";
import { WebSocket } from "ws";

/**
 * A WebSocket whose violations are answered. `ws` closes by itself on a frame it cannot take (too long, not UTF-8,
 * against the protocol), before anybody hears of it; this one emits `violation` instead, so that the relay can
 * first say which of its errors that is. Only such a close comes with a code and without a reason.
 */
export class AnsweringSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    const violated = code !== undefined && reason === undefined && this.readyState === WebSocket.OPEN;
    if (violated) this.emit("violation", violationOf(code));
    else super.close(code, reason);
  }
}

const violationOf = (code: number): RelayErrorCode => (code === 1009 ? "frame_too_large" : "bad_message");
