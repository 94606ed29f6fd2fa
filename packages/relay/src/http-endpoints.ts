import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { Failure } from "@authmesh/core";

const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

/** Whether sockets are to be sent here, and why not: `/ready` says so. */
export type ReadyState = "ready" | "draining" | "store_unavailable";

/** What the endpoints tell of a relay. */
export interface RelayStatus {
  readonly state: ReadyState;
  /** Seconds since the relay was made. */
  readonly uptime: number;
  /** In Prometheus text format. */
  metrics(): string;
}

interface Answer {
  readonly status: number;
  readonly body: string | Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

const endpoints: Readonly<Record<string, (status: RelayStatus) => Answer>> = {
  "/health": ({ uptime }) => ({
    status: 200,
    // The time, in Unix milliseconds, lets a client see how far its clock is off.
    body: { status: "ok", version, uptime: Math.floor(uptime), time: Date.now() },
  }),
  "/ready": ({ state }) => ({ status: state === "ready" ? 200 : 503, body: { status: state } }),
  "/metrics": (status) => ({
    status: 200,
    body: status.metrics(),
    headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" },
  }),
  "/ws": () => ({
    status: 426,
    body: { error: "upgrade_required" },
    headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
  }),
};

/** Answers what does not become a WebSocket: `/health`, `/ready`, `/metrics`, and mistakes. */
export const answerHttp = (request: IncomingMessage, response: ServerResponse, status: RelayStatus): void =>
  send(response, answerTo(request, status));

/** Turns a WebSocket away before it is one. */
export function refuseHttp(response: ServerResponse, { status, code }: Failure): void {
  const headers: Record<string, string> = status === 403 ? {} : { "Retry-After": "60" };
  send(response, { status, body: { error: code }, headers });
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "Cache-Control": "no-store",
    "Content-Length": Buffer.byteLength(text),
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(text);
}

function answerTo({ method, url = "" }: IncomingMessage, status: RelayStatus): Answer {
  const path = pathOf(url);
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
  if (endpoint === undefined) return { status: 404, body: { error: "not_found" } };
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, body: { error: "method_not_allowed" }, headers: { Allow: "GET, HEAD" } };
  }
  return endpoint(status);
}

/** The path of a request target, without its query. */
export const pathOf = (target: string): string => target.split("?")[0] as string;
