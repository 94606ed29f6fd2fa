import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Failure } from "@authmesh/core";
import { sendRefusal } from "@authmesh/sdk/guard";
import { failureAnswer } from "../failure-answer.js";
import { type AnswerHeaders, grouped } from "./answer-headers.js";

export type Response = ServerResponse | Http2ServerResponse;

export const isHttp2 = (response: Response): response is Http2ServerResponse => "stream" in response;

/** Whether the caller has left already. */
export const isClosed = (response: Response): boolean =>
  isHttp2(response) ? response.stream.destroyed : response.destroyed;

/** Whether nothing of what was written waits here. */
export const isTaken = (response: Response): boolean => !isHttp2(response) && response.writableLength === 0;

/** Whether the caller has not sent its whole body yet. */
const isUploading = (response: Response): boolean =>
  isHttp2(response)
    ? !response.stream.endAfterHeaders && !response.stream.readableEnded
    : !response.req.complete;

/** @throws the error of Node.js for what it does not write */
export function writeHead(response: Response, status: number, head: AnswerHeaders, hasBody: boolean): void {
  const tellsTrailers = hasBody && head.trailers !== undefined && response.req.httpVersion !== "1.0";
  const headers = tellsTrailers ? [...head.headers, "Trailer", head.trailers] : [...head.headers];
  try {
    if (isHttp2(response)) response.writeHead(status, grouped(headers));
    else response.writeHead(status, headers);
  } catch (error) {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    throw error;
  }
}

/** In the place of an answer. One that has begun breaks off, so that nobody takes half for the whole. */
export function sendFailure(response: Response, failure: Failure, decision: string | undefined): void {
  const answer = failureAnswer(failure, decision);
  const closing = isUploading(response) ? { Connection: "close" } : {};
  sendRefusal(response, { ...answer, headers: { ...answer.headers, ...closing } });
}
