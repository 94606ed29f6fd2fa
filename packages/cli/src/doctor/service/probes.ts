import { type Change, type ProbeRequest, withPath, withQuery } from "./probe-request.js";

/** One question to what stands between. */
export interface Probe {
  /** What it is called. */
  readonly check: string;
  /** FAIL where ordinary calls break, WARN where only some do. */
  readonly verdict: "FAIL" | "WARN";
  /** What is sent, made of a GET of the URL's path. */
  readonly request: (plain: ProbeRequest) => ProbeRequest;
  /** Whether a session key signs. Default false. */
  readonly session?: boolean;
  /** What may be the matter, the likely first. Each is tried by a signature for what would arrive. */
  readonly changes: readonly Change[];
  /** What is the matter if it is none of these, where that is known. */
  readonly otherwise?: Pick<Change, "finding" | "fix">;
}

const keepTarget =
  "nginx: `proxy_pass http://UPSTREAM;` with nothing behind the host, no `rewrite`. Caddy: no `rewrite` or `uri`.";
const keepSlashes =
  "nginx: `merge_slashes off;`, and `proxy_pass http://UPSTREAM;` with nothing behind the host. Caddy: no `rewrite`, `uri` or `handle_path` there.";
const keepBody = "Let the proxy forward the body byte for byte.";

/** A path without the slash at its end, to put something behind it. */
const below = (request: ProbeRequest, end: string) =>
  withPath(request, (path) => path.replace(/\/$/, "") + end);

/** The path under the URL's that no service has a handler for. */
export const nowhere = (plain: ProbeRequest): ProbeRequest => below(plain, "/amesh-doctor");

/** JSON that a parser would write otherwise. */
const body = '{ "amesh": "doctor", "number": 1.0 }\r\n';
const types = [
  "",
  "application/json;charset=UTF-8",
  "application/json; charset=utf-8",
  "application/json;charset=utf-8",
  "text/plain",
  "application/octet-stream",
  "application/x-www-form-urlencoded",
];

/**
 * @param query of the URL, without the question mark; "" is none
 * @param method of requests with a body
 */
export const probes = (query: string, method: string): readonly Probe[] => [
  {
    check: "Session keys",
    verdict: "FAIL",
    request: (plain) => plain,
    session: true,
    changes: [],
    otherwise: {
      finding:
        "The header AuthMesh-Delegation does not arrive as it was sent, or the service's clock is behind.",
      fix: "Let the proxy forward AuthMesh-Delegation: nginx without `proxy_pass_request_headers off`, Caddy without `header_up -AuthMesh-*`. Clients send it whose key is in a TPM, a keychain or an HSM.",
    },
  },
  {
    check: "HEAD",
    verdict: "WARN",
    request: (plain) => ({ ...plain, method: "HEAD" }),
    changes: [
      {
        finding: "The proxy makes GET of HEAD.",
        fix: "nginx: `proxy_cache_convert_head off;`, with `$request_method` in `proxy_cache_key`, and no `proxy_method`. Caddy: no `method`.",
        arrives: (request) => ({ ...request, method: "GET" }),
      },
    ],
  },
  {
    check: "Query",
    verdict: "FAIL",
    request: (plain) => withQuery(plain, () => query || "b=2&a=x%2520y&a=1"),
    changes: [
      {
        finding: "The proxy drops the query.",
        fix: "nginx: `proxy_pass http://UPSTREAM;`, or `$is_args$args` behind a path with variables. Caddy: `{uri}` and not `{path}` in `rewrite`.",
        arrives: (request) => withQuery(request, () => ""),
      },
      {
        finding: "The proxy decodes the query.",
        fix: keepTarget,
        arrives: (request) => withQuery(request, decodeOnce),
      },
      {
        finding: "The proxy keeps the first of several parameters of one name.",
        fix: keepTarget,
        arrives: (request) => withQuery(request, (text) => onePerName(text, "first")),
      },
      {
        finding: "The proxy keeps the last of several parameters of one name.",
        fix: keepTarget,
        arrives: (request) => withQuery(request, (text) => onePerName(text, "last")),
      },
      {
        finding: "The proxy sends the query twice.",
        fix: "nginx: no `$args` in `rewrite`, which adds them itself, or a `?` at its end.",
        arrives: (request) => withQuery(request, (text) => `${text}&${text}`),
      },
    ],
  },
  {
    check: "Encoded path",
    verdict: "WARN",
    request: (plain) => below(plain, "/amesh%2Fdoctor%7E%c3%a9"),
    changes: [
      {
        finding: "The proxy decodes the path, %2F included.",
        fix: keepTarget,
        arrives: (request) => pathEnd(request, "/amesh/doctor~%C3%A9"),
      },
      {
        finding: "The proxy decodes what a path need not encode (%7E is ~).",
        fix: keepTarget,
        arrives: (request) => pathEnd(request, "/amesh%2Fdoctor~%C3%A9"),
      },
      {
        finding: "The proxy writes the path's %c3 as %C3.",
        fix: keepTarget,
        arrives: (request) => pathEnd(request, "/amesh%2Fdoctor%7E%C3%A9"),
      },
      {
        finding: "The proxy encodes the path once more (%2F is %252F).",
        fix: keepTarget,
        arrives: (request) => pathEnd(request, "/amesh%252Fdoctor%257E%25c3%25a9"),
      },
    ],
  },
  {
    check: "Slashes",
    verdict: "WARN",
    request: (plain) => below(plain, "/amesh//doctor"),
    changes: [
      {
        finding: "The proxy makes one slash of two.",
        fix: keepSlashes,
        arrives: (request) => pathEnd(request, "/amesh/doctor"),
      },
    ],
  },
  {
    check: "Slash at the end",
    verdict: "WARN",
    request: (plain) => below(plain, "/amesh-doctor/"),
    changes: [
      {
        finding: "The proxy takes the slash off the end of the path.",
        fix: keepTarget,
        arrives: (request) => pathEnd(request, "/amesh-doctor"),
      },
    ],
  },
  {
    check: "Body",
    verdict: "FAIL",
    request: (plain) => ({ ...plain, method, body, contentType: "application/json" }),
    changes: [
      {
        finding: "The proxy drops the body.",
        fix: "nginx: without `proxy_pass_request_body off`.",
        arrives: ({ body, contentType, ...request }) => request,
      },
      {
        finding: "The proxy writes JSON anew.",
        fix: keepBody,
        arrives: (request) => ({ ...request, body: JSON.stringify(JSON.parse(body)) }),
      },
      {
        finding: "The proxy takes white space off the body.",
        fix: keepBody,
        arrives: (request) => ({ ...request, body: body.trim() }),
      },
      {
        finding: "The proxy writes the body's line ends anew.",
        fix: keepBody,
        arrives: (request) => ({ ...request, body: body.replaceAll("\r\n", "\n") }),
      },
      ...types.map((contentType) => ({
        finding:
          contentType === ""
            ? "The proxy drops the Content-Type."
            : `The proxy makes Content-Type "${contentType}" of "application/json".`,
        fix: "nginx: no `proxy_set_header Content-Type`, or `proxy_set_header Content-Type $http_content_type;`. Caddy: no `header_up Content-Type`.",
        arrives: (request: ProbeRequest) => withType(request, contentType),
      })),
    ],
  },
  {
    check: "Large body",
    verdict: "WARN",
    request: (plain) => ({ ...plain, method, body: "amesh".repeat(100_000), contentType: "text/plain" }),
    changes: [],
  },
];

function withType({ contentType: _, ...request }: ProbeRequest, contentType: string): ProbeRequest {
  return contentType === "" ? request : { ...request, contentType };
}

/** What stands from the last "/amesh" on is another. */
const pathEnd = (request: ProbeRequest, end: string) =>
  withPath(request, (path) => path.slice(0, path.lastIndexOf("/amesh")) + end);

function decodeOnce(query: string): string {
  try {
    return encodeURI(decodeURIComponent(query));
  } catch {
    return query;
  }
}

function onePerName(query: string, which: "first" | "last"): string {
  const kept = new Map<string, string>();
  for (const pair of query.split("&")) {
    const [name = ""] = pair.split("=");
    if (which === "last" || !kept.has(name)) kept.set(name, pair);
  }
  return [...kept.values()].join("&");
}
