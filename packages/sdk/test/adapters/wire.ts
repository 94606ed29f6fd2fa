/** Requests byte for byte, as no client library would let them pass. Nothing here needs a test runner. */
import { connect, type Socket } from "node:net";

/** A request as it goes onto the wire. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  /** One for each time that the request says where it goes. */
  readonly hosts: readonly string[];
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Undefined: no body, and nothing that announces one. */
  readonly body?: WireBody | undefined;
}

export interface WireBody {
  readonly pieces: readonly Buffer[];
  /** The length announced; undefined: none, so in chunks. */
  readonly length: number | undefined;
  /** What follows the pieces: the end, nothing at all, or a connection that breaks. */
  readonly ending: "end" | "stall" | "break";
}

export interface WireAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly body: string;
}

/** One way of putting requests onto a connection. */
export type Transport = (host: string, request: WireRequest) => Promise<WireAnswer>;

export const loopback = (host: string): Socket => connect(Number(host.split(":")[1]), "127.0.0.1");

export const http1: Transport = (host, { method, target, hosts, headers, body }) => {
  const framing: [string, string][] = body === undefined ? [] : [lengthOf(body)];
  const fields = [...hosts.map((value) => ["Host", value] as const), ...headers, ...framing];
  const head = [`${method} ${target} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`)];
  const socket = loopback(host);
  socket.write(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n`);
  if (body !== undefined) writeBody(socket, body);
  return answerOf(socket, method);
};

const lengthOf = ({ length }: WireBody): [string, string] =>
  length === undefined ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(length)];

function writeBody(socket: Socket, { pieces, length, ending }: WireBody): void {
  for (const piece of pieces) {
    if (length === undefined) socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    if (length === undefined) socket.write("\r\n");
  }
  if (ending === "end" && length === undefined) socket.write("0\r\n\r\n");
  if (ending === "break") socket.end(() => socket.destroy());
}

async function answerOf(socket: Socket, method: string): Promise<WireAnswer> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    // Some servers wait for the rest of a body that they refused.
    if (isComplete(text, method)) socket.destroy();
  });
  await closed(socket);
  const { head, body } = split(text);
  return {
    status: Number(head.slice(9, 12)),
    body: chunked.test(head) ? unchunked(body) : body,
  };
}

const chunked = /^transfer-encoding: chunked/im;

function split(text: string): { head: string; body: string } {
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? { head: "", body: "" } : { head: text.slice(0, end), body: text.slice(end + 4) };
}

function isComplete(text: string, method: string): boolean {
  const { head, body } = split(text);
  if (head === "") return false;
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  return (
    method === "HEAD" || Number(length) <= body.length || (chunked.test(head) && body.endsWith("0\r\n\r\n"))
  );
}

/** A server that has answered may reset what it did not want to read. */
export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer within 10 s")));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve());
  });

function unchunked(text: string): string {
  const [size = "", ...rest] = text.split("\r\n");
  const length = Number.parseInt(size, 16);
  const body = rest.join("\r\n");
  return length > 0 ? body.slice(0, length) + unchunked(body.slice(length + 2)) : "";
}
