import { type Fields, fieldBlock, flags, frame, frameTypes, type Outcome } from "./raw-http2.js";

/** A request of HTTP/2 and what becomes of it. */
export interface Http2Case {
  readonly name: string;
  readonly frames: readonly Buffer[];
  /** 200: sent on; anything else: the upstream hears nothing. */
  readonly outcome: Outcome;
  /** What the upstream got of the body. */
  readonly body?: string;
}

const { headers, data } = frameTypes;
const { endStream, endHeaders } = flags;

const pseudo = { ":method": "GET", ":scheme": "https", ":authority": "a.example", ":path": "/a" };
type Pseudo = { readonly [Name in keyof typeof pseudo]?: string | undefined };

const fields = (changed: Pseudo, more: Fields = []): Fields => {
  const known = Object.entries({ ...pseudo, ...changed });
  return [
    ...known.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
    ...more,
  ];
};
const bare = (all: Fields) => [frame(headers, endStream | endHeaders, 1, fieldBlock(all))];
const get = (changed: Pseudo, more?: Fields) => bare(fields(changed, more));
const withHeader = (...more: Fields) => get({}, more);
const post = (more: Fields, ...pieces: readonly string[]) => [
  frame(headers, endHeaders, 1, fieldBlock(fields({ ":method": "POST" }, more))),
  ...pieces.map((piece, i) => frame(data, i === pieces.length - 1 ? endStream : 0, 1, piece)),
];

type Row = readonly [name: string, frames: readonly Buffer[], body?: string];
const each = (outcome: Outcome, rows: readonly Row[]): Http2Case[] =>
  rows.map(([name, frames, body]) => ({ name, frames, outcome, ...(body === undefined ? {} : { body }) }));

export const http2Cases: readonly Http2Case[] = [
  ...each(200, [
    // What is no header is left out.
    ["a name with a line break", withHeader(["x\r\ny", "z"])],
    ["a name with a colon", withHeader(["x:y", "z"])],
    ["a name with a space", withHeader(["x y", "z"])],
    ["an empty name", withHeader(["", "z"])],
    ["a value with a line break", withHeader(["x", "y\r\nx-authmesh-subject: root"])],
    ["a value with a bare LF", withHeader(["x", "y\nz"])],
    ["a value with NUL", withHeader(["x", "y\0z"])],
    ["a plain request", get({})],
    ["a Host that says the same as the authority", withHeader(["host", "a.example"])],
    ["a Host in the place of the authority", get({ ":authority": undefined }, [["host", "a.example"]])],
    ["TE for trailers", withHeader(["te", "trailers"])],
    ["a body of the length that it says", post([["content-length", "5"]], "hel", "lo"), "hello"],
    ["a body without a length", post([], "hel", "lo"), "hello"],
    [
      "a body that holds a request",
      post([], "0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n"),
      "0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n",
    ],
    [
      "trailers",
      [
        ...post([], "hello").slice(0, 1),
        frame(data, 0, 1, "hello"),
        frame(headers, endStream | endHeaders, 1, fieldBlock([["x-authmesh-subject", "root"]])),
      ],
      "hello",
    ],
  ]),
  ...each(400, [
    ["a path beyond ASCII", get({ ":path": "/\xc3\xa4" })],
    ["a Host that says something else", withHeader(["host", "b.example"])],
    ["a path with a fragment", get({ ":path": "/a#b" })],
    ["a path with dot segments", get({ ":path": "/public/../a" })],
    ["a path with two slashes", get({ ":path": "//a" })],
    ["a path with a hidden slash", get({ ":path": "/a%2fb" })],
    ["a path with a backslash", get({ ":path": "/a\\b" })],
    ["an authority with a user", get({ ":authority": "me@a.example" })],
    ["TRACE", get({ ":method": "TRACE" })],
    ["a method in small letters", get({ ":method": "get" })],
    [
      "CONNECT",
      bare([
        [":method", "CONNECT"],
        [":authority", "a.example:443"],
      ]),
    ],
  ]),
  ...each(431, [
    [
      "a hundred and one headers",
      withHeader(...Array.from({ length: 101 }, (_, i) => [`x-${i}`, "y"] as const)),
    ],
  ]),
  ...each("reset", [
    ["an authority with a path", get({ ":authority": "a.example/x" })],
    ["no authority and no Host", get({ ":authority": undefined })],
    ["an empty authority", get({ ":authority": "" })],
    ["an authority with a line break", get({ ":authority": "a.example\r\nX: y" })],
    ["an authority with a space", get({ ":authority": "a.example b" })],
    ["a path with a space", get({ ":path": "/a b" })],
    ["a path with a line break", get({ ":path": "/a HTTP/1.1\r\nX: y" })],
    ["a path with NUL", get({ ":path": "/a\0" })],
    ["an empty path", get({ ":path": "" })],
    ["a path without a slash", get({ ":path": "a" })],
    ["an absolute path", get({ ":path": "http://a.example/a" })],
    ["an asterisk", get({ ":path": "*" })],
    ["no path", get({ ":path": undefined })],
    ["no method", get({ ":method": undefined })],
    ["no scheme", get({ ":scheme": undefined })],
    ["a method with a line break", get({ ":method": "GET /hidden HTTP/1.1\r\nX: y" })],
    ["a method with a space", get({ ":method": "GET /hidden" })],
    ["two paths", withHeader([":path", "/hidden"])],
    ["two methods", withHeader([":method", "POST"])],
    [
      "a pseudo-header behind a header",
      bare([
        [":method", "GET"],
        ["x", "y"],
        [":scheme", "https"],
        [":authority", "a.example"],
        [":path", "/a"],
      ]),
    ],
    ["a pseudo-header that nobody knows", bare([[":x", "y"], ...fields({})])],
    ["a pseudo-header of answers", bare([[":status", "200"], ...fields({})])],
    [
      "an upgrade to WebSocket that was not offered",
      bare([[":protocol", "websocket"], ...fields({ ":method": "CONNECT" })]),
    ],
    ["Connection", withHeader(["connection", "close"])],
    ["Connection that names ours", withHeader(["connection", "x-authmesh-subject"])],
    ["Transfer-Encoding", post([["transfer-encoding", "chunked"]], "0\r\n\r\n")],
    ["Keep-Alive", withHeader(["keep-alive", "timeout=5"])],
    ["Proxy-Connection", withHeader(["proxy-connection", "close"])],
    ["Upgrade", withHeader(["upgrade", "h2c"])],
    ["TE for something else", withHeader(["te", "gzip"])],
    ["a name in capitals", withHeader(["X-Upper", "y"])],
    ["a length that is none", post([["content-length", "x"]], "hello")],
    ["a length with a plus", post([["content-length", "+5"]], "hello")],
    [
      "two lengths",
      post(
        [
          ["content-length", "5"],
          ["content-length", "6"],
        ],
        "hello",
      ),
    ],
    ["a length with no body", withHeader(["content-length", "5"])],
  ]),
];

/** Frames that cost the sender little, over and over. */
interface Flood {
  readonly first: readonly Buffer[];
  readonly again: Buffer;
  /** Whether the gateway gives the connection up. */
  readonly ends: boolean;
}

const opened = frame(headers, endStream, 1, fieldBlock(fields({})));

export const floods: Readonly<Record<string, Flood>> = {
  "CONTINUATION without end": {
    first: [opened],
    again: frame(frameTypes.continuation, 0, 1),
    ends: true,
  },
  "headers without end": {
    first: [opened],
    again: frame(frameTypes.continuation, 0, 1, fieldBlock([["x", "y".repeat(10_000)]])),
    ends: true,
  },
  "frames of streams that never were": { first: [], again: frame(data, 0, 99, "x"), ends: true },
  "frames too large": { first: [], again: frame(data, 0, 1, "x".repeat(20_000)), ends: true },
  // Whoever reads the answers to these pays as much as the gateway does.
  SETTINGS: { first: [], again: frame(frameTypes.settings, 0, 0), ends: false },
  PING: { first: [], again: frame(frameTypes.ping, 0, 0, "12345678"), ends: false },
};
