import { AmeshError } from "@authmesh/core";

/** Of one connection alone (docs/protocol.md, section 14.6). */
const ofOneHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** What frames or routes a message says nothing after its body (RFC 9110, section 6.5.1). */
const neverAfterBody: ReadonlySet<string> = new Set([
  ...ofOneHop,
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "host",
  "set-cookie",
  "authorization",
]);

/** The head of an answer, for the caller. */
export interface AnswerHeaders {
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** The names of trailers that the upstream announces, for a caller that can be told of them. */
  readonly trailers: string | undefined;
}

/**
 * What the caller gets of an upstream's headers.
 *
 * @param raw names and values in turn, as they came
 * @param status of the answer: without a body, 101 and 204 have no length (RFC 9110, section 8.6)
 * @throws AmeshError `upstream_garbled` for a transfer coding that nobody would take off
 */
export function answerHeaders(raw: readonly Buffer[], status: number): AnswerHeaders {
  const fields = decoded(raw);
  const named = connectionNames(fields);
  const lengthless = status === 101 || status === 204;
  const headers: string[] = [];
  let chunked = false;
  let trailers: string | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const plain = name.toLowerCase();
    if (plain === "transfer-encoding") {
      if (value.trim().toLowerCase() !== "chunked" || chunked)
        throw new AmeshError("upstream_garbled", "The answer has a Transfer-Encoding other than chunked.");
      chunked = true;
    } else if (lengthless && plain === "content-length") continue;
    else if (plain === "trailer") trailers = trailers === undefined ? value : `${trailers}, ${value}`;
    else if (!isOurs(plain) && !ofOneHop.has(plain) && !named.has(plain)) headers.push(name, value);
  }
  return { headers, trailers: chunked ? trailers : undefined };
}

/** What the caller gets of an upstream's trailers: each name with its values. */
export function answerTrailers(raw: readonly Buffer[]): Record<string, string[]> {
  const fields = decoded(raw);
  return grouped(
    fields.filter((_, i) => {
      const name = (fields[i & ~1] as string).toLowerCase();
      return !neverAfterBody.has(name) && !isOurs(name);
    }),
  );
}

/** What the gateway says of itself, such as which decision refused. */
const isOurs = (name: string): boolean => name.startsWith("authmesh-");

/** Names in lower case, each with its values: as HTTP/2 takes them. */
export function grouped(headers: readonly string[]): Record<string, string[]> {
  const groups: Record<string, string[]> = Object.create(null);
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    groups[name] = [...(groups[name] ?? []), headers[i + 1] as string];
  }
  return groups;
}

function connectionNames(fields: readonly string[]): ReadonlySet<string> {
  let names: Set<string> | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if ((fields[i] as string).toLowerCase() !== "connection") continue;
    names ??= new Set();
    for (const token of (fields[i + 1] as string).split(",")) names.add(token.trim().toLowerCase());
  }
  return names ?? none;
}

const none: ReadonlySet<string> = new Set();

/** As bytes of headers are written and read by Node.js. */
const decoded = (raw: readonly Buffer[]): readonly string[] => raw.map((bytes) => bytes.toString("latin1"));
