import type { ServerResponse } from "node:http";
import { constants, type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import { unreferencedTimer } from "@authmesh/oath/timing";
import { answerOverUnread } from "./body/unread-rest.js";
import type { RefusalResponse } from "./refusal-response.js";

/** In which the end of an answer leaves, also of a connection that is busy. */
const leavingMs = 50;

/** A refused request ends here: the handler behind it is never called, whether or not it looks at its arguments. */
export function sendRefusal(
  response: ServerResponse | Http2ServerResponse,
  { status, headers, body }: RefusalResponse,
): void {
  if (response.headersSent) {
    // A stream of HTTP/2, and what it shares a connection with goes on.
    if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else response.destroy();
    return;
  }
  if (!("stream" in response)) {
    response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
    if (headers["Connection"] === "close") answerOverUnread(response.req, body).pipe(response);
    else response.end(body);
    return;
  }
  // HTTP/2 has no Connection header: a stream whose body is not wanted is closed by itself.
  const { Connection, ...others } = headers;
  response.writeHead(status, { ...others, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
  if (Connection === "close") endUnread(response.stream);
}

/**
 * Closes a stream of HTTP/2 whose body is not wanted, once its answer has left whole. Node.js sends a reset before an end
 * that still waits, and without that end clients take the answer for broken off.
 */
export function endUnread(stream: ServerHttp2Stream): void {
  const close = () => unreferencedTimer(() => stream.close(constants.NGHTTP2_NO_ERROR), leavingMs);
  if (stream.writableFinished) close();
  else stream.once("finish", close);
}
