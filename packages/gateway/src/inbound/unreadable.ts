import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { failure, newDecisionId, problemDocument, problemType } from "@authmesh/core";

/** What is answered to bytes that are no request, by the code of the parser's error. */
const statuses: ReadonlyMap<string | undefined, number> = new Map([
  ["HPE_HEADER_OVERFLOW", 431],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", 413],
  ["ERR_HTTP_REQUEST_TIMEOUT", 408],
]);

/**
 * Answers, once, what the parser could not read, and ends the connection: whatever follows on it could be anything.
 * Nothing is answered before an answer that is already on its way, nor to who does not get as far as speaking HTTP.
 *
 * @param owesAnswers of earlier requests on this connection
 */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex, owesAnswers: boolean): void {
  const { code } = error;
  const speaksHttp = code?.startsWith("HPE_") || statuses.has(code);
  if (!speaksHttp || owesAnswers || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(rawAnswer(statuses.get(code) ?? 400), () => socket.destroy());
}

function rawAnswer(status: number): string {
  const decision = newDecisionId();
  const problem =
    status === 400
      ? JSON.stringify(
          problemDocument(
            failure("ambiguous_request", "This is not a request of HTTP/1.1 that reads in one way."),
            {
              decision,
            },
          ),
        )
      : "";
  const fields = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Cache-Control: no-store",
    `AuthMesh-Decision: ${decision}`,
    ...(problem === "" ? [] : [`Content-Type: ${problemType}`]),
    `Content-Length: ${Buffer.byteLength(problem)}`,
  ];
  return `${fields.join("\r\n")}\r\n\r\n${problem}`;
}
