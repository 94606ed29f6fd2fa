/** A request of doctor's: as it is sent, or as it may arrive behind a proxy. */
export interface ProbeRequest {
  readonly method: string;
  /** "https://api.example.com": the host that the request is signed for. */
  readonly origin: string;
  /** Path and query. */
  readonly target: string;
  readonly body?: string;
  readonly contentType?: string;
}

/** What a proxy may do to a request. */
export interface Change {
  /** A sentence. */
  readonly finding: string;
  /** What keeps the proxy from doing so, or makes the service bear it. */
  readonly fix: string;
  /** What arrives of a request. */
  readonly arrives: (request: ProbeRequest) => ProbeRequest;
}

/** The request with its path changed. */
export function withPath(request: ProbeRequest, change: (path: string) => string): ProbeRequest {
  const [, path = "", query = ""] = /^([^?]*)(.*)$/s.exec(request.target) ?? [];
  return { ...request, target: change(path) + query };
}

/** The request with its query changed; "" is none. */
export function withQuery(request: ProbeRequest, change: (query: string) => string): ProbeRequest {
  const [, path = "", query = ""] = /^([^?]*)\??(.*)$/s.exec(request.target) ?? [];
  const changed = change(query);
  return { ...request, target: changed === "" ? path : `${path}?${changed}` };
}
