import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";

/** Resets that every session may make. */
const free = 100;

/**
 * Ends sessions of HTTP/2 whose peer takes back most of what it asks for: each such request costs a verification, and
 * none of them counts against the limit of concurrent streams.
 */
export function limitResets(session: ServerHttp2Session, socket: Socket): void {
  let answered = 0;
  let reset = 0;
  session.on("stream", (stream: ServerHttp2Stream) => {
    stream.once("close", () => {
      if (stream.rstCode !== constants.NGHTTP2_CANCEL) answered++;
      else if (++reset > free + answered) endSession(session, socket);
    });
  });
}

function endSession(session: Http2Session, socket: Socket): void {
  if (session.destroyed) return;
  session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  setImmediate(() => socket.destroy()); // the frame leaves first
}
