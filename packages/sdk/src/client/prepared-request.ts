import { type BufferedBody, bufferBody } from "./outgoing-body.js";
import type { Redirect } from "./redirect.js";

/** A call of fetch as plain data. */
export interface PreparedRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: BufferedBody | undefined;
  readonly redirect: NonNullable<RequestInit["redirect"]>;
  readonly rest: Omit<RequestInit, "headers" | "body" | "method" | "redirect">;
}

/**
 * Reads the arguments of fetch.
 *
 * @param maxBodyBytes how much of a stream to buffer
 * @throws AmeshError `body_too_large_to_sign`; TypeError as fetch does
 */
export async function prepareRequest(
  input: string | URL | Request,
  init: RequestInit | undefined,
  maxBodyBytes: number,
): Promise<PreparedRequest> {
  if (input instanceof Request) return readRequest(new Request(input, init), init, maxBodyBytes);
  const { method = "GET", headers, body, redirect = "follow", ...rest } = init ?? {};
  return complete(
    new URL(input),
    method,
    plainHeaders(headers),
    await bufferBody(body, maxBodyBytes, rest.signal),
    redirect,
    rest,
  );
}

async function readRequest(
  request: Request,
  init: RequestInit | undefined,
  maxBodyBytes: number,
): Promise<PreparedRequest> {
  const { cache, credentials, integrity, keepalive, mode, referrerPolicy, signal } = request;
  // What a Request does not show, such as a dispatcher, goes along from the init.
  const { method, headers: _, body: __, redirect, ...others } = init ?? {};
  const rest = { ...others, cache, credentials, integrity, keepalive, mode, referrerPolicy, signal };
  const headers = plainHeaders(request.headers);
  const body = await bufferBody(request.body, maxBodyBytes, signal);
  return complete(new URL(request.url), request.method, headers, body, request.redirect, rest);
}

function complete(
  url: URL,
  method: string,
  headers: Record<string, string>,
  body: BufferedBody | undefined,
  redirect: PreparedRequest["redirect"],
  rest: PreparedRequest["rest"],
): PreparedRequest {
  if (body?.contentType !== undefined && headerValue(headers, "content-type") === undefined) {
    headers["Content-Type"] = body.contentType;
  }
  return { url, method, headers, body, redirect, rest };
}

/** @throws TypeError if the request was given one of the headers that the client writes */
export function refuseOwnHeaders({ headers }: PreparedRequest, names: readonly string[]): void {
  for (const name of names) {
    if (headerValue(headers, name.toLowerCase()) !== undefined)
      throw new TypeError(`amesh.fetch sets the ${name} header; do not set it yourself.`);
  }
}

/** The same request after a redirect, as the Fetch standard changes it. */
export function redirected(request: PreparedRequest, next: Redirect): PreparedRequest {
  const { url, method, keepsBody } = next;
  if (keepsBody) return { ...request, url, method };
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !/^content-/i.test(name)),
  );
  return { ...request, url, method, headers, body: undefined };
}

function plainHeaders(headers: RequestInit["headers"]): Record<string, string> {
  if (headers === undefined) return {};
  if (Symbol.iterator in headers) return Object.fromEntries(new Headers(headers));
  const given = Object.entries(headers).filter(([, value]) => value !== undefined) as [string, string][];
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  // Two spellings of one name are sent as one value, so they must be signed as one.
  return Object.fromEntries(names.size === given.length ? given : new Headers(given));
}

/** A header by its lower-case name. */
export function headerValue(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  for (const candidate in headers) {
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[candidate];
  }
  return undefined;
}
