import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";

/** Resets that every session may make. */
const free = 100;

/**
 * Ends sessions of HTTP/2 whose peer takes back most of what it asks for: each such request costs a verification, and
 * none of them counts against the limit of concurrent streams.
 */
export function limitResets(session: ServerHttp2Session): void {
  let answered = 0;
  let reset = 0;
  session.on("stream", (stream: ServerHttp2Stream) => {
    stream.once("close", () => {
      if (stream.rstCode !== constants.NGHTTP2_CANCEL) answered++;
      else if (++reset > free + answered) endSession(session);
    });
  });
}

function endSession(session: Http2Session): void {
  if (session.destroyed) return;
  session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  session.destroy();
}
