import type { Socket } from "node:net";

/** What an upstream does when it was asked, and what the caller is to get. */
export interface UpstreamCase {
  readonly name: string;
  /** The connection is the upstream's to write on and to end. */
  readonly does: (socket: Socket) => void;
  /** Default GET. */
  readonly method?: string;
  /** A whole answer, with this status. */
  readonly status?: number;
  readonly body?: string;
  /** Names in lower case that must not have come. */
  readonly without?: readonly string[];
  /** What it does once the caller has its answer, and whereupon the gateway ends the connection. */
  readonly later?: (socket: Socket) => void;
  /** Or the caller's connection breaks off within one. */
  readonly breaks?: true;
}

const head = "HTTP/1.1 200 OK\r\n";
const whole = `${head}Content-Length: 5\r\n\r\nhello`;
/** What would be taken for the answer to the next request. */
export const poison = "HTTP/1.1 299 Poison\r\nContent-Length: 6\r\n\r\npoison";

const says = (text: string) => (socket: Socket) => void socket.write(text, "latin1");
const saysAndEnds = (text: string) => (socket: Socket) => void socket.end(text, "latin1");
const saysAndResets = (text: string) => (socket: Socket) =>
  void socket.write(text, "latin1", () => socket.resetAndDestroy());

type Row = readonly [name: string, does: UpstreamCase["does"], more?: Partial<UpstreamCase>];
const hello = (rows: readonly Row[]): UpstreamCase[] =>
  rows.map(([name, does, more]) => ({ name, does, status: 200, body: "hello", ...more }));
const refused = (status: number, rows: readonly Row[]): UpstreamCase[] =>
  rows.map(([name, does, more]) => ({ name, does, status, ...more }));
const broken = (rows: readonly Row[]): UpstreamCase[] =>
  rows.map(([name, does, more]) => ({ name, does, breaks: true as const, ...more }));

/** Answers of upstreams that are slow, dead, out of their mind, or in somebody else's hands. */
export const upstreamCases: readonly UpstreamCase[] = [
  ...hello([
    ["an answer with a length", says(whole)],
    ["an answer in chunks", says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)],
    ["an answer that the end of the connection ends", saysAndEnds(`${head}\r\nhello`)],
    ["an answer of HTTP/1.0", saysAndEnds("HTTP/1.0 200 OK\r\n\r\nhello")],
    ["a few answers of 1xx", says(`${"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(5)}${whole}`)],
    [
      "chunks with extensions",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0;z\r\n\r\n`),
    ],
    [
      "headers of a hop",
      says(
        `${head}Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello`,
      ),
      { without: ["x-hop", "proxy-authenticate", "upgrade"] },
    ],
    [
      "trailers that would type or identify",
      says(
        `${head}Transfer-Encoding: chunked\r\nTrailer: Content-Type, Set-Cookie\r\n\r\n5\r\nhello\r\n0\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\n\r\n`,
      ),
    ],
    ["an answer and another one behind it", says(whole + poison)],
    ["an answer and half of another one behind it", says(whole + poison.slice(0, 20))],
    ["an answer and garbage behind it", says(`${whole}garbage\r\n\r\n`)],
    [
      "chunks and another answer behind them",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${poison}`),
    ],
    ["another answer a moment later", says(whole), { later: (socket) => void socket.write(poison) }],
    ["garbage a moment later", says(whole), { later: (socket) => void socket.write("garbage\r\n\r\n") }],
    ["an answer, and resets", says(whole), { later: (socket) => void socket.resetAndDestroy() }],
    ["an answer in pieces", (socket) => void inPieces(socket, whole)],
  ]),
  ...refused(200, [
    ["a HEAD that is answered with a body", says(whole), { method: "HEAD", body: "" }],
    [
      "a HEAD that is answered with an answer as its body",
      says(`${head}Content-Length: ${poison.length}\r\n\r\n${poison}`),
      { method: "HEAD", body: "" },
    ],
  ]),
  ...refused(204, [
    ["204 with a body", says("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"), { body: "" }],
    ["204 with an answer behind it", says(`HTTP/1.1 204 No Content\r\n\r\n${poison}`), { body: "" }],
  ]),
  ...refused(304, [
    ["304 with an answer behind it", says(`HTTP/1.1 304 Not Modified\r\n\r\n${poison}`), { body: "" }],
  ]),
  ...refused(502, [
    ["nothing, and ends", (socket) => void socket.end()],
    ["nothing, and resets", (socket) => void socket.resetAndDestroy()],
    ["half a head, and ends", saysAndEnds("HTTP/1.1 200 OK\r\nContent-Le")],
    ["half a head, and resets", saysAndResets("HTTP/1.1 200 OK\r\nContent-Le")],
    ["garbage", says("garbage\r\n\r\n")],
    ["bytes of TLS", says("\x15\x03\x01\x00\x02\x02\x28")],
    ["a request", says("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")],
    ["HTTP/0.9", saysAndEnds("hello")],
    ["the preface of HTTP/2", says("\0\0\x12\x04\0\0\0\0\0")],
    ["a status of two digits", says("HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n")],
    ["a status of four digits", says("HTTP/1.1 2000 No\r\nContent-Length: 0\r\n\r\n")],
    ["two lengths that differ", says(`${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`)],
    ["the same length twice", says(`${head}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`)],
    ["a list of lengths", says(`${head}Content-Length: 5, 5\r\n\r\nhello`)],
    ["a length below nought", says(`${head}Content-Length: -5\r\n\r\nhello`)],
    ["a length in hexadecimal", says(`${head}Content-Length: 0x5\r\n\r\nhello`)],
    ["a length beyond 64 bits", says(`${head}Content-Length: 99999999999999999999\r\n\r\nhello`)],
    [
      "a length beside chunks",
      says(`${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
    ],
    [
      "chunks beside a length",
      says(`${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
    ],
    ["chunked twice", says(`${head}Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)],
    ["gzip, then chunked", says(`${head}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)],
    ["chunked, then gzip", saysAndEnds(`${head}Transfer-Encoding: chunked, gzip\r\n\r\nhello`)],
    ["identity", saysAndEnds(`${head}Transfer-Encoding: identity\r\n\r\nhello`)],
    ["a folded line", says(`${head}X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello`)],
    ["a space before a colon", says(`${head}Content-Length : 5\r\n\r\nhello`)],
    ["a header without a colon", says(`${head}X\r\nContent-Length: 5\r\n\r\nhello`)],
    ["a value with a bare CR", says(`${head}X: a\rb\r\nContent-Length: 5\r\n\r\nhello`)],
    ["a value with NUL", says(`${head}X: a\0b\r\nContent-Length: 5\r\n\r\nhello`)],
    ["a head without end", says(`${head}X: ${"x".repeat(100_000)}`)],
    ["headers without end", says(head + "X: y\r\n".repeat(20_000))],
    // Nobody asked whether to go on: Expect is never sent.
    ["100 Continue", says(`HTTP/1.1 100 Continue\r\n\r\n${whole}`)],
    [
      "101 unasked",
      says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ],
    ["1xx without end", says("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000))],
  ]),
  ...refused(504, [
    ["nothing at all", () => {}],
    ["half a head, and waits", says("HTTP/1.1 200 OK\r\nContent-Le")],
    ["103 Early Hints, and waits", says("HTTP/1.1 103 Early Hints\r\n\r\n")],
  ]),
  ...broken([
    ["half a body, and ends", saysAndEnds(`${head}Content-Length: 10\r\n\r\nhello`)],
    ["half a body, and resets", saysAndResets(`${head}Content-Length: 10\r\n\r\nhello`)],
    ["half a body, and waits", says(`${head}Content-Length: 10\r\n\r\nhello`)],
    ["half a chunk, and ends", saysAndEnds(`${head}Transfer-Encoding: chunked\r\n\r\na\r\nhello`)],
    [
      "chunks without the last one, and ends",
      saysAndEnds(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`),
    ],
    ["a chunk size that is none", says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`)],
    [
      "a chunk size with a bare LF",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\nhello\r\n0\r\n\r\n`),
    ],
    [
      "a chunk without its CRLF",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello5\r\nhello\r\n0\r\n\r\n`),
    ],
    [
      "a chunk size beyond 64 bits",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n${"f".repeat(20)}\r\n`),
    ],
    [
      "a length among the trailers",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n`),
    ],
    [
      "trailers without end",
      says(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ${"x".repeat(100_000)}`),
    ],
  ]),
];

async function inPieces(socket: Socket, text: string): Promise<void> {
  for (const piece of text) await new Promise((resolve) => socket.write(piece, "latin1", resolve));
}
