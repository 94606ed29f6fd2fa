import type { IncomingRequest } from "@authmesh/core";

/** A request without a body, as an adapter gives it to a verifier. */
export function incomingRequest(url: URL, authorization: string, delegation?: string): IncomingRequest {
  const headers: Record<string, readonly string[]> = {
    authorization: [flat(authorization)],
    host: [url.host],
    ...(delegation === undefined ? {} : { "authmesh-delegation": [flat(delegation)] }),
  };
  return {
    method: "GET",
    target: url.pathname + url.search,
    headers: (name) => headers[name] ?? [],
    hasBody: false,
    bodyHash: () => Promise.reject(new Error("There is no body.")),
  };
}

/** A string of its own, as the HTTP parser makes one of each request. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
