import type { Exchange } from "./gateway-request.js";
import type { RequestHead } from "./request-checks.js";

/** The head of a request, of HTTP/2 as HTTP/1.1 would have it. */
export function headOf({ request }: Pick<Exchange, "request">): RequestHead {
  const { method = "", url: target = "", httpVersion, rawHeaders } = request;
  return "stream" in request
    ? { method, target, httpVersion: "2", rawHeaders: withHost(rawHeaders) }
    : { method, target, httpVersion, rawHeaders };
}

/** Every value of a header, in order. @param name in lower case */
export function valuesOf(rawHeaders: readonly string[], name: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name)
      values.push(rawHeaders[i + 1] as string);
  }
  return values;
}

/** Whether a body follows such headers in HTTP/1. */
export const announcesBody = (rawHeaders: readonly string[]): boolean =>
  valuesOf(rawHeaders, "transfer-encoding").length > 0 ||
  Number(valuesOf(rawHeaders, "content-length")[0] ?? 0) > 0;

/** HTTP/2 has `:authority`; a `host` beside it may only say the same (RFC 9113, section 8.3.1). */
function withHost(rawHeaders: readonly string[]): readonly string[] {
  const fields: string[] = [];
  let authority: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = rawHeaders.slice(i, i + 2) as [string, string];
    if (name === ":authority") authority = value;
    else if (!name.startsWith(":") && !(name === "host" && value === authority)) fields.push(name, value);
  }
  return authority === undefined ? fields : ["host", authority, ...fields];
}
