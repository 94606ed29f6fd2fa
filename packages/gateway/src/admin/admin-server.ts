import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JwkSet } from "@authmesh/oath";
import { listenOn } from "../listen-on.js";
import type { GatewayMetrics } from "./gateway-metrics.js";
import { type GatewayState, gauge, unreadiness } from "./gateway-state.js";

/** What the admin port tells of a gateway. */
export interface AdminSources {
  state(): Promise<GatewayState>;
  /** Of context tokens. */
  keys(): JwkSet;
  readonly metrics: GatewayMetrics;
}

interface AdminAnswer {
  readonly status: number;
  readonly type?: string;
  readonly body: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

const endpoints: Readonly<Record<string, (sources: AdminSources) => AdminAnswer | Promise<AdminAnswer>>> = {
  "/health": () => ({ status: 200, body: { status: "ok" } }),
  "/ready": async ({ state }) => {
    const reason = unreadiness(await state());
    return reason === undefined
      ? { status: 200, body: { status: "ready" } }
      : { status: 503, body: { status: "not_ready", reason }, headers: { "Retry-After": "1" } };
  },
  "/metrics": async ({ state, metrics }) => {
    gauge(metrics, await state());
    return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: metrics.render() };
  },
  // Not for long: another process, or another configuration, has another key.
  "/.well-known/jwks.json": ({ keys }) => ({
    status: 200,
    type: "application/jwk-set+json",
    body: keys(),
    headers: { "Cache-Control": "public, max-age=60" },
  }),
};

const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8_192,
};
const mostConnections = 256;

/** `/health`, `/ready`, `/metrics` and the keys of context tokens, on a port of their own: they are not for callers. */
export class AdminServer {
  readonly #server: Server;

  constructor(sources: AdminSources) {
    this.#server = createServer(limits, (request, response) => {
      answer(request, response, sources).catch(() => response.destroy());
    });
    this.#server.maxConnections = mostConnections;
  }

  /** @throws AmeshError `gateway_cannot_listen` */
  listen(at: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
    return listenOn(this.#server, at);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  sources: AdminSources,
): Promise<void> {
  const { status, type = "application/json", body, headers } = await answerTo(request, sources);
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "Cache-Control": "no-store",
    "Content-Length": Buffer.byteLength(text),
    "Content-Type": type,
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

function answerTo(
  { method, url = "" }: IncomingMessage,
  sources: AdminSources,
): AdminAnswer | Promise<AdminAnswer> {
  const path = url.split("?", 1)[0] as string;
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
  if (endpoint === undefined) return { status: 404, body: { error: "not_found" } };
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, body: { error: "method_not_allowed" }, headers: { Allow: "GET, HEAD" } };
  return endpoint(sources);
}
