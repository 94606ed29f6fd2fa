import type { Exchange } from "./gateway-request.js";
import type { RequestHead } from "./request-checks.js";

/** The head of a request, of HTTP/2 as HTTP/1.1 would have it. */
export function headOf({ request }: Pick<Exchange, "request">): RequestHead {
  const { method = "", url: target = "", httpVersion, rawHeaders } = request;
  return {
    method,
    target,
    httpVersion,
    rawHeaders: "stream" in request ? withHost(rawHeaders) : rawHeaders,
  };
}

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
