/** A message of HTTP/1 as a reader sees it that forgives nothing. */
export interface StrictMessage {
  readonly startLine: string;
  /** Names as they came, and values. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}

export interface StrictAnswer extends StrictMessage {
  readonly status: number;
}

export interface StrictRequest extends StrictMessage {
  readonly method: string;
  readonly target: string;
}

/** Bytes are latin1 text: one character is one byte. */
interface Taken<T> {
  readonly message: T;
  readonly rest: string;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const requestLine = /^([A-Z-]+) (\/[!-~]*) HTTP\/1\.1$/;
const statusLine = /^HTTP\/1\.1 (\d{3}) [ -~]*$/;
const fieldValue = /^(?:[!-~\x80-\xff](?:[ -~\t\x80-\xff]*[!-~\x80-\xff])?)?$/;

/**
 * The next request, or undefined while it is not whole.
 *
 * @throws Error for whatever two readers could take in two ways
 */
export function takeRequest(bytes: string): Taken<StrictRequest> | undefined {
  const head = takeHead(bytes);
  if (head === undefined) return undefined;
  const [, method = "", target = ""] =
    requestLine.exec(head.startLine) ?? fail("request line", head.startLine);
  const body = takeBody(head, "none");
  return body && { message: { ...head.message, ...body.message, method, target }, rest: body.rest };
}

/**
 * The next answer, or undefined while it is not whole. One that no length ends is whole when the connection has ended.
 *
 * @throws Error likewise
 */
export function takeAnswer(bytes: string, method: string, ended: boolean): Taken<StrictAnswer> | undefined {
  const head = takeHead(bytes);
  if (head === undefined) return undefined;
  const status = Number((statusLine.exec(head.startLine) ?? fail("status line", head.startLine))[1]);
  const bodiless = method === "HEAD" || status < 200 || status === 204 || status === 304;
  const body = bodiless
    ? { message: { body: "", trailers: [] }, rest: head.rest }
    : takeBody(head, ended ? "rest" : "wait");
  return body && { message: { ...head.message, ...body.message, status }, rest: body.rest };
}

/** Every value of a header. @param name in lower case */
export const valuesOf = ({ headers }: Pick<StrictMessage, "headers">, name: string): readonly string[] =>
  headers.flatMap(([each, value]) => (each.toLowerCase() === name ? [value] : []));

interface Head {
  readonly startLine: string;
  readonly message: Pick<StrictMessage, "startLine" | "headers">;
  readonly rest: string;
}

function takeHead(bytes: string): Head | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [startLine = "", ...lines] = bytes.slice(0, end).split("\r\n");
  return { startLine, message: { startLine, headers: lines.map(field) }, rest: bytes.slice(end + 4) };
}

function field(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  const [name, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
  if (colon < 1 || !token.test(name) || !fieldValue.test(value)) fail("header", line);
  return [name, value];
}

type Body = Taken<Pick<StrictMessage, "body" | "trailers">>;

/** @param unframed what follows a head that names no length */
function takeBody({ message, rest }: Head, unframed: "none" | "rest" | "wait"): Body | undefined {
  const lengths = valuesOf(message, "content-length");
  const codings = valuesOf(message, "transfer-encoding");
  if (lengths.length + codings.length > 1) fail("framing", `${lengths.join("|")} and ${codings.join("|")}`);
  if (codings.length > 0) return codings[0] === "chunked" ? takeChunks(rest) : fail("coding", codings[0]);
  const [said] = lengths;
  if (said === undefined) {
    if (unframed === "wait") return undefined;
    const body = unframed === "rest" ? rest : "";
    return { message: { body, trailers: [] }, rest: rest.slice(body.length) };
  }
  if (!/^\d{1,15}$/.test(said)) fail("length", said);
  const length = Number(said);
  if (rest.length < length) return undefined;
  return { message: { body: rest.slice(0, length), trailers: [] }, rest: rest.slice(length) };
}

function takeChunks(bytes: string): Body | undefined {
  let body = "";
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf("\r\n");
    if (end < 0) return undefined;
    const line = rest.slice(0, end);
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) fail("chunk size", line);
    const size = Number.parseInt(line, 16);
    rest = rest.slice(end + 2);
    if (size === 0) return takeTrailers(body, rest);
    if (rest.length < size + 2) return undefined;
    if (rest.slice(size, size + 2) !== "\r\n") fail("chunk end", rest.slice(size, size + 2));
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

function takeTrailers(body: string, bytes: string): Body | undefined {
  if (bytes.startsWith("\r\n")) return { message: { body, trailers: [] }, rest: bytes.slice(2) };
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const trailers = bytes.slice(0, end).split("\r\n").map(field);
  return { message: { body, trailers }, rest: bytes.slice(end + 4) };
}

function fail(what: string, found: string | undefined): never {
  throw new Error(`not strict HTTP/1.1: ${what} ${JSON.stringify(found)}`);
}
