import type { Pieces } from "./raw-client.js";

/** Bytes of a caller, and what may become of them. */
export interface FramingCase {
  readonly name: string;
  readonly bytes: Pieces;
  /** Refused with this status, on a connection that ends; the upstream hears nothing. */
  readonly refused?: number;
  /** Or sent on as one request that reads in one way, after which the connection goes on. */
  readonly sent?: {
    readonly method: string;
    readonly target: string;
    readonly body: string;
    /** Names in lower case that must not have come. */
    readonly without?: readonly string[];
    /** Whether the connection ends with the answer. */
    readonly last?: boolean;
  };
}

const host = "Host: a.example\r\n";
/** What would be a request of its own if a body ended sooner than it should. */
export const hidden = `GET /hidden HTTP/1.1\r\n${host}\r\n`;
const bytesOf = (text: string) => text.length;

const request = (line: string, headers: string, body = "") => `${line}\r\n${headers}\r\n${body}`;
const get = (headers: string, line = "GET /a HTTP/1.1") => request(line, `${host}${headers}`);
const post = (headers: string, body: string) => request("POST /a HTTP/1.1", `${host}${headers}`, body);
const chunked = (body: string) => post("Transfer-Encoding: chunked\r\n", body);
const line = (text: string) => request(text, host);

type Row = readonly [name: string, bytes: Pieces];
const refused = (status: number, rows: readonly Row[]): FramingCase[] =>
  rows.map(([name, bytes]) => ({ name, bytes, refused: status }));
const sentBody = (body: string, rows: readonly Row[], more: object = {}): FramingCase[] =>
  rows.map(([name, bytes]) => ({ name, bytes, sent: { method: "POST", target: "/a", body, ...more } }));
const sentGet = (rows: readonly Row[], more: object = {}): FramingCase[] =>
  rows.map(([name, bytes]) => ({ name, bytes, sent: { method: "GET", target: "/a", body: "", ...more } }));

const lengths: readonly FramingCase[] = refused(400, [
  ["two lengths that differ", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")],
  ["the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")],
  ["two lengths, one in small letters", post("Content-Length: 5\r\ncontent-length: 0\r\n", "hello")],
  ["a list of the same length", post("Content-Length: 5, 5\r\n", "hello")],
  ["a list of lengths that differ", post("Content-Length: 5, 6\r\n", "hello!")],
  ["a length with a plus", post("Content-Length: +5\r\n", "hello")],
  ["a length below nought", post("Content-Length: -5\r\n", "hello")],
  ["a length in hexadecimal", post("Content-Length: 0x5\r\n", "hello")],
  ["a length with a space in it", post("Content-Length: 1 0\r\n", "helloworld")],
  ["a length with a fraction", post("Content-Length: 5.0\r\n", "hello")],
  ["a length with an exponent", post("Content-Length: 1e1\r\n", "helloworld")],
  ["an empty length", post("Content-Length:\r\n", "hello")],
  ["a length in Arabic digits", post("Content-Length: \xd9\xa5\r\n", "hello")],
  ["a length with a vertical tab", post("Content-Length: \x0b5\r\n", "hello")],
  ["a length in quotes", post('Content-Length: "5"\r\n', "hello")],
  ["a length beyond 64 bits", post("Content-Length: 18446744073709551621\r\n", "hello")],
  ["a length beyond what numbers hold", post("Content-Length: 9007199254740993\r\n", "hello")],
  ["a length of many digits", post(`Content-Length: ${"9".repeat(400)}\r\n`, "hello")],
  ["a length with a space before the colon", post("Content-Length : 5\r\n", "hello")],
  ["a length with a tab before the colon", post("Content-Length\t: 5\r\n", "hello")],
  ["a length on a folded line", post("Content-Length:\r\n 5\r\n", "hello")],
  ["a length that goes on in a folded line", post("Content-Length: 5\r\n 0\r\n", "hello")],
]);

const both: readonly FramingCase[] = refused(400, [
  [
    "a length before chunks",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${hidden}`),
  ],
  [
    "a length after chunks",
    post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", `0\r\n\r\n${hidden}`),
  ],
  [
    "a length of nought beside chunks",
    post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  ["a length beside identity", post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello")],
  ["a length beside an unknown coding", post("Content-Length: 5\r\nTransfer-Encoding: x\r\n", "hello")],
]);

const codings: readonly FramingCase[] = [
  ...refused(400, [
    ["chunks twice in one line", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")],
    [
      "chunks twice in two lines",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ],
    ["xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")],
    ["chunkedx", post("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n")],
    ["chunked in quotes", post('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n")],
    ["chunked with a parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")],
    ["chunked with a comma", post("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n")],
    ["chunked after a comma", post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n")],
    ["chunked behind a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n")],
    ["chunked behind NUL", post("Transfer-Encoding: \x00chunked\r\n", "0\r\n\r\n")],
    ["chunked behind a byte beyond ASCII", post("Transfer-Encoding: \x85chunked\r\n", "0\r\n\r\n")],
    ["chunked with a no-break space", post("Transfer-Encoding: chunked\xa0\r\n", "0\r\n\r\n")],
    ["identity", post("Transfer-Encoding: identity\r\n", "0\r\n\r\n")],
    ["gzip, then chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")],
    ["chunked, then gzip", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")],
    ["chunked, then identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")],
    [
      "gzip and chunked in two lines",
      post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ],
    [
      "chunked and identity in two lines",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ],
    ["an empty coding", post("Transfer-Encoding:\r\n", "")],
    [
      "an empty coding before chunked",
      post("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ],
    ["chunked with a tab behind it", post("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n")],
    ["a coding on a folded line", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")],
    ["a coding with a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")],
    ["a coding behind a space", post("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n")],
    ["a coding behind a bare CR", post("X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n")],
    ["a coding behind a bare LF", post("X: y\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")],
    ["chunks in HTTP/1.0", request("POST /a HTTP/1.0", `${host}Transfer-Encoding: chunked\r\n`, "0\r\n\r\n")],
  ]),
  ...sentBody(
    "hello",
    [
      ["chunked in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n")],
      [
        "Transfer_Encoding beside a length",
        post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "hello"),
      ],
      ["Content_Length beside a length", post("Content_Length: 0\r\nContent-Length: 5\r\n", "hello")],
    ],
    { without: ["transfer_encoding", "content_length"] },
  ),
];

const chunks: readonly FramingCase[] = [
  ...refused(400, [
    ["a chunk size in hexadecimal notation", chunked("0x5\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size below nought", chunked("-5\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size with a plus", chunked("+5\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size with an underscore", chunked("1_0\r\nhelloworldhello!\r\n0\r\n\r\n")],
    ["no chunk size", chunked("\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size that is none", chunked("five\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size behind a space", chunked(" 5\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size before a space", chunked("5 \r\nhello\r\n0\r\n\r\n")],
    ["a chunk size beyond 64 bits", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")],
    ["a chunk size of many digits", chunked(`${"f".repeat(40)}\r\nhello\r\n0\r\n\r\n`)],
    ["a chunk size with a bare LF", chunked("5\nhello\r\n0\r\n\r\n")],
    ["a chunk size with a bare CR", chunked("5\rhello\r\n0\r\n\r\n")],
    ["a chunk without its CRLF", chunked("5\r\nhello0\r\n\r\n")],
    ["a chunk that ends with LF", chunked("5\r\nhello\n0\r\n\r\n")],
    ["a chunk that is longer than it says", chunked("5\r\nhello!\r\n0\r\n\r\n")],
    ["a chunk extension with a bare LF in it", chunked(`5;x\nhello\r\n0\r\n\r\n`)],
    ["a chunk extension with a bare CR in it", chunked(`5;x\rhello\r\n0\r\n\r\n`)],
    ["a last chunk with a bare LF", chunked(`0\n\r\n${hidden}`)],
    ["trailers that end with LF", chunked(`0\r\n\n${hidden}`)],
    ["a trailer without a colon", chunked(`0\r\nX\r\n\r\n`)],
    ["a trailer on a folded line", chunked(`0\r\nX: 1\r\n 2\r\n\r\n`)],
    ["a length among the trailers", chunked("5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n")],
    ["a coding among the trailers", chunked("5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")],
    ["a trailer with a space before the colon", chunked("0\r\nX : 1\r\n\r\n")],
  ]),
  ...refused(413, [
    ["chunk extensions without end", chunked(`5;${"x".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`)],
  ]),
  ...refused(431, [["trailers without end", chunked(`5\r\nhello\r\n0\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)]]),
  ...sentBody(
    "hello",
    [
      ["chunks with extensions", chunked('5;x;y=1;z="a;b"\r\nhello\r\n0;last\r\n\r\n')],
      ["a chunk size with leading noughts", chunked("0000005\r\nhello\r\n000\r\n\r\n")],
      ["a chunk in pieces", [...chunked("5\r\nhello\r\n0\r\n\r\n")]],
      ["many small chunks", chunked("1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n")],
      [
        "trailers that would change the message",
        chunked("5\r\nhello\r\n0\r\nHost: b.example\r\nX-AuthMesh-Subject: root\r\n\r\n"),
      ],
    ],
    { without: ["x-authmesh-subject", "trailer"] },
  ),
];

const hiding: readonly FramingCase[] = [
  ...sentBody(hidden, [
    ["a request within a body of a length", post(`Content-Length: ${bytesOf(hidden)}\r\n`, hidden)],
    ["a request within a chunk", chunked(`${bytesOf(hidden).toString(16)}\r\n${hidden}\r\n0\r\n\r\n`)],
    [
      "a request within a chunk, and one in its extension",
      chunked(`${bytesOf(hidden).toString(16)};GET=hidden\r\n${hidden}\r\n0\r\n\r\n`),
    ],
  ]),
  {
    name: "a request within the body of a GET",
    bytes: get(`Content-Length: ${bytesOf(hidden)}\r\n`) + hidden,
    sent: { method: "GET", target: "/a", body: hidden },
  },
  {
    name: "a request within the body of a HEAD",
    bytes: request("HEAD /a HTTP/1.1", `${host}Content-Length: ${bytesOf(hidden)}\r\n`, hidden),
    sent: { method: "HEAD", target: "/a", body: hidden },
  },
  {
    name: "a request within the body of a DELETE",
    bytes: request("DELETE /a HTTP/1.1", `${host}Content-Length: ${bytesOf(hidden)}\r\n`, hidden),
    sent: { method: "DELETE", target: "/a", body: hidden },
  },
  {
    name: "a request within the body of one that asks for h2c",
    bytes: post(
      `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: ${bytesOf(hidden)}\r\n`,
      hidden,
    ),
    sent: { method: "POST", target: "/a", body: hidden, without: ["upgrade", "http2-settings"], last: true },
  },
  ...refused(400, [
    [
      "a request within the body of an upgrade",
      post(`Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${bytesOf(hidden)}\r\n`, hidden),
    ],
    [
      "a request after a body that is too short for its chunk",
      chunked(`ff\r\n${hidden}\r\n0\r\n\r\n${" ".repeat(250)}`),
    ],
  ]),
];

const headers: readonly FramingCase[] = [
  ...refused(400, [
    ["a folded line", get("X: a\r\n b\r\n")],
    ["a line folded with a tab", get("X: a\r\n\tb\r\n")],
    ["a space before the first header", request("GET /a HTTP/1.1", ` ${host}`)],
    ["a tab before the first header", request("GET /a HTTP/1.1", `\tX: y\r\n${host}`)],
    ["a space before a colon", get("X : y\r\n")],
    ["a header without a colon", get("X\r\n")],
    ["a header without a name", get(": y\r\n")],
    ["a name with a space", get("X Y: z\r\n")],
    ["a name with a slash", get("X/Y: z\r\n")],
    ["a name beyond ASCII", get("X\xe9: z\r\n")],
    ["a name with NUL", get("X\x00: z\r\n")],
    ["a value with NUL", get("X: a\x00b\r\n")],
    ["a value with a bare CR", get("X: a\rb\r\n")],
    ["a value with a bare LF", get("X: a\nY: b\r\n")],
    ["a value with DEL", get("X: a\x7fb\r\n")],
    ["a value with BEL", get("X: a\x07b\r\n")],
    ["CR CR LF at the end of a line", get("X: a\r\r\n")],
    ["lines that end with LF alone", `GET /a HTTP/1.1\nHost: a.example\n\n`],
    ["a head that ends with LF alone", `GET /a HTTP/1.1\r\n${host}\n`],
    ["a request line that ends with LF alone", `GET /a HTTP/1.1\n${host}\r\n`],
    ["a request line that ends with CR alone", `GET /a HTTP/1.1\r${host}\r\n`],
  ]),
  ...refused(431, [
    ["a hundred and one headers", get("X: y\r\n".repeat(100))],
    ["a thousand headers", get("X: y\r\n".repeat(1000))],
    ["a value of 20 KB", get(`X: ${"y".repeat(20_000)}\r\n`)],
    ["a name of 20 KB", get(`${"x".repeat(20_000)}: y\r\n`)],
    ["a target of 20 KB", line(`GET /${"a".repeat(20_000)} HTTP/1.1`)],
  ]),
  ...sentGet([
    ["no space behind a colon", "GET /a HTTP/1.1\r\nHost:a.example\r\n\r\n"],
    ["spaces and tabs around a value", get("X: \t a \t\r\n")],
    ["empty lines before a request", `\r\n\r\n${get("")}`],
    ["a head in pieces", [...get("X: y\r\n")]],
  ]),
];

const hosts: readonly FramingCase[] = refused(400, [
  ["no Host", request("GET /a HTTP/1.1", "")],
  ["an empty Host", request("GET /a HTTP/1.1", "Host:\r\n")],
  ["two Hosts", get("Host: b.example\r\n")],
  ["the same Host twice", get(host)],
  ["a Host with a path", request("GET /a HTTP/1.1", "Host: a.example/hidden\r\n")],
  ["a Host with a user", request("GET /a HTTP/1.1", "Host: a.example@b.example\r\n")],
  ["a Host with a space", request("GET /a HTTP/1.1", "Host: a.example b.example\r\n")],
  ["a Host with a comma", request("GET /a HTTP/1.1", "Host: a.example,b.example\r\n")],
  ["a Host with a query", request("GET /a HTTP/1.1", "Host: a.example?b\r\n")],
  ["a Host with a fragment", request("GET /a HTTP/1.1", "Host: a.example#b\r\n")],
  ["a Host with a backslash", request("GET /a HTTP/1.1", "Host: a.example\\b\r\n")],
  ["a Host with a port that is none", request("GET /a HTTP/1.1", "Host: a.example:http\r\n")],
  ["a Host with a port too large", request("GET /a HTTP/1.1", "Host: a.example:99999\r\n")],
  ["a Host with two ports", request("GET /a HTTP/1.1", "Host: a.example:80:80\r\n")],
  ["a Host beyond ASCII", request("GET /a HTTP/1.1", "Host: \xc3\xa4.example\r\n")],
  ["a Host with an escaped letter", request("GET /a HTTP/1.1", "Host: %61.example\r\n")],
  ["a Host with an escaped dot at its end", request("GET /a HTTP/1.1", "Host: a.example%2e\r\n")],
  ["a Host with two dots at its end", request("GET /a HTTP/1.1", "Host: a.example..\r\n")],
  ["a Host that is a short address", request("GET /a HTTP/1.1", "Host: 127.1\r\n")],
  ["a Host on a folded line", request("GET /a HTTP/1.1", "Host:\r\n a.example\r\n")],
  ["a Host with a scheme", request("GET /a HTTP/1.1", "Host: http://a.example\r\n")],
  ["a Host behind a space before the colon", request("GET /a HTTP/1.1", "Host : a.example\r\n")],
]);

const lines: readonly FramingCase[] = [
  ...refused(400, [
    ["the absolute form", line("GET http://a.example/a HTTP/1.1")],
    ["the absolute form of another host", line("GET http://b.example/hidden HTTP/1.1")],
    ["the absolute form of https", line("GET https://a.example/a HTTP/1.1")],
    ["the form of an authority", line("GET a.example:80 HTTP/1.1")],
    ["an asterisk", line("OPTIONS * HTTP/1.1")],
    ["CONNECT", line("CONNECT a.example:443 HTTP/1.1")],
    ["CONNECT of a path", line("CONNECT /a HTTP/1.1")],
    ["TRACE", line("TRACE /a HTTP/1.1")],
    ["TRACK", line("TRACK /a HTTP/1.1")],
    ["a method in small letters", line("get /a HTTP/1.1")],
    ["a method that is none", line("GOT /a HTTP/1.1")],
    ["a method with a space before it", line(" GET /a HTTP/1.1")],
    ["a method with NUL", line("GE\x00T /a HTTP/1.1")],
    ["no method", line("/a HTTP/1.1")],
    ["a tab before the target", line("GET\t/a HTTP/1.1")],
    ["a space in the target", line("GET /a b HTTP/1.1")],
    ["a target that holds a version", line("GET /a HTTP/1.1 HTTP/1.1")],
    ["a target with a fragment", line("GET /a#b HTTP/1.1")],
    ["a target beyond ASCII", line("GET /\xc3\xa4 HTTP/1.1")],
    ["a target with NUL", line("GET /a\x00 HTTP/1.1")],
    ["a target with DEL", line("GET /a\x7f HTTP/1.1")],
    ["no target", line("GET HTTP/1.1")],
    ["HTTP/0.9", "GET /a\r\n\r\n"],
    ["HTTP/0.9 by name", line("GET /a HTTP/0.9")],
    ["HTTP/1.2", line("GET /a HTTP/1.2")],
    ["HTTP/1.01", line("GET /a HTTP/1.01")],
    ["HTTP/01.1", line("GET /a HTTP/01.1")],
    ["HTTP/1", line("GET /a HTTP/1")],
    ["HTTP/11", line("GET /a HTTP/11")],
    ["HTTP/1.", line("GET /a HTTP/1.")],
    ["HTTP/2.0", line("GET /a HTTP/2.0")],
    ["HTTP/3.0", line("GET /a HTTP/3.0")],
    ["http in small letters", line("GET /a http/1.1")],
    ["a space behind the version", line("GET /a HTTP/1.1 ")],
    ["the preface of HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"],
    ["a greeting of TLS", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
    ["noise", "\xff\xfe\xfd\xfc\r\n\r\n"],
  ]),
  ...sentGet([
    ["two spaces before the target", line("GET  /a HTTP/1.1")],
    ["two spaces behind the target", line("GET /a  HTTP/1.1")],
  ]),
  // The parser does not tell that it is no HTTP.
  ...sentGet([["another protocol", line("GET /a RTSP/1.0")]], { last: true }),
  {
    name: "HTTP/1.0",
    bytes: "GET /a HTTP/1.0\r\nHost: a.example\r\n\r\n",
    sent: { method: "GET", target: "/a", body: "", last: true },
  },
  {
    name: "HTTP/1.0 that would be kept",
    bytes: "GET /a HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n",
    sent: { method: "GET", target: "/a", body: "" },
  },
];

const options: readonly FramingCase[] = [
  ...refused(400, [
    ["Connection that names ours", get("Connection: X-AuthMesh-Subject\r\n")],
    ["Connection that names ours behind close", get("Connection: close, x-authmesh-subject\r\n")],
    [
      "Connection that names Content-Length",
      post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
    ],
    [
      "Connection that names Transfer-Encoding",
      chunked("0\r\n\r\n").replace("\r\n\r\n", "\r\nConnection: Transfer-Encoding\r\n\r\n"),
    ],
    ["Connection that names Host", get("Connection: Host\r\n")],
    ["Connection that names X-Forwarded-For", get("Connection: X-Forwarded-For\r\n")],
    ["Connection that names Authorization", get("Connection: keep-alive, Authorization\r\n")],
    ["a second Connection that names Cookie", get("Connection: keep-alive\r\nConnection: Cookie\r\n")],
    ["Connection with something in quotes", get('Connection: "close"\r\n')],
  ]),
  ...sentBody(
    "hello",
    [
      ["an expectation", post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello")],
      ["an expectation in capitals", post("EXPECT: 100-CONTINUE\r\nContent-Length: 5\r\n", "hello")],
      [
        "two expectations",
        post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
      ],
    ],
    { without: ["expect"] },
  ),
  ...sentGet([["an expectation without a body", get("Expect: 100-continue\r\n")]], {
    without: ["expect"],
    last: true,
  }),
  ...sentGet(
    [
      [
        "an upgrade to h2c",
        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
      ],
      ["an upgrade to TLS", get("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n")],
      ["an upgrade to WebSocket or h2c", get("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n")],
    ],
    { without: ["upgrade", "http2-settings"], last: true },
  ),
  ...sentGet(
    [
      ["Upgrade without Connection", get("Upgrade: h2c\r\n")],
      [
        "headers of a hop",
        get(
          "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X\r\nConnection: TE\r\n",
        ),
      ],
    ],
    { without: ["upgrade", "keep-alive", "proxy-connection", "te", "trailer"] },
  ),
];

/** What callers may do to have the gateway and its upstream see different requests. */
export const framingCases: Readonly<Record<string, readonly FramingCase[]>> = {
  "a length": lengths,
  "a length and a coding": both,
  "a coding": codings,
  "a chunk": chunks,
  "a hidden request": hiding,
  "a header": headers,
  "a Host": hosts,
  "a request line": lines,
  "an option of the connection": options,
};
