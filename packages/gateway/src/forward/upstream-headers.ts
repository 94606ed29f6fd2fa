import type { Forwarded } from "./forwarder.js";

/** Written by the gateway alone, or meant for it. Compared as `normalized`. */
const removedNames: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authorization",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "host",
  "content-length",
  "forwarded",
  "x-real-ip",
  // Some services take these for the path or the method, behind the back of the route; of others they become HTTP_PROXY.
  "x-rewrite-url",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "proxy",
]);
const removedPrefixes = ["x-authmesh-", "x-oathmesh-", "x-forwarded-", "x-original-"];
const proofNames: ReadonlySet<string> = new Set([
  "authorization",
  "signature",
  "signature-input",
  "authmesh-delegation",
]);

/** What services may take a name for: each of them has its own rule for what is no letter. */
const normalized = (name: string): string => name.toLowerCase().replace(/[^a-z0-9-]/g, "-");

/**
 * What the upstream gets of the caller's headers, and who it came for (docs/protocol.md, section 14.4): names and values in
 * turn, without Host, Content-Length and the headers of the context.
 */
export function upstreamHeaders(request: Forwarded): string[] {
  const { rawHeaders, route, forwardedFor, host, scheme } = request;
  const headers: string[] = [];
  let cookieAt: number | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    const plain = normalized(name);
    if (isRemoved(name, plain, route.forwardProof)) continue;
    if (plain === "cookie" && cookieAt !== undefined) {
      // HTTP/2 sends crumbs, and services of HTTP/1.1 read one line (RFC 9113, section 8.2.3).
      headers[cookieAt] += `; ${value}`;
      continue;
    }
    headers.push(name, value);
    if (plain === "cookie") cookieAt = headers.length - 1;
  }
  if (forwardedFor.length > 0) headers.push("X-Forwarded-For", forwardedFor.join(", "));
  if (host !== "") headers.push("X-Forwarded-Host", host);
  headers.push("X-Forwarded-Proto", scheme);
  return headers;
}

const isRemoved = (name: string, plain: string, forwardProof: boolean): boolean =>
  name.includes("_") ||
  removedNames.has(plain) ||
  removedPrefixes.some((prefix) => plain.startsWith(prefix)) ||
  (!forwardProof && proofNames.has(plain));
