import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

const mostBytes = 16 * 1024 * 1024;
const longestMs = 2000;

/**
 * An answer to a request whose body is not wanted. It ends when the client has stopped sending, after 16 MiB or after two
 * seconds: a connection that is closed over unread bytes is reset, and the client, or the proxy before it, never reads
 * why. A Content-Length shows the client where the answer ends.
 */
export const answerOverUnread = (request: IncomingMessage, answer: string): Readable =>
  Readable.from(answerThenRest(request, answer));

async function* answerThenRest(request: IncomingMessage, answer: string): AsyncGenerator<string> {
  yield answer;
  await discardUnread(request);
}

/** Reads what a client still sends and nobody wants, within the same limits. */
export function discardUnread(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.readableEnded || request.destroyed) return resolve();
    let bytes = 0;
    const finish = () => {
      clearTimeout(timer);
      request.off("data", count).off("end", finish).off("close", finish);
      resolve();
    };
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > mostBytes) finish();
    };
    const timer = setTimeout(finish, longestMs);
    request.on("data", count).on("end", finish).on("close", finish).resume();
  });
}
