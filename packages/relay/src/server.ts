import { once } from "node:events";
import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type ClientAddress, clientAddress, failure, maxFrameBytes } from "@authmesh/core";
import { WebSocketServer } from "ws";
import { AnsweringSocket } from "./answering-socket.js";
import { loneDirectory } from "./directory.js";
import { Exchange } from "./exchange.js";
import { answerHttp, pathOf, type ReadyState, refuseHttp } from "./http-endpoints.js";
import { listenOn, type RelayAddress } from "./listen-on.js";
import { createRelayMetrics, type Refusal } from "./metrics.js";
import { RateLimits } from "./rate-limit.js";
import { RedisDirectory } from "./redis/redis-directory.js";
import { RefusalLog } from "./refusal-log.js";
import { completeOptions, type RelayOptions } from "./relay-options.js";

export interface Relay {
  /** @throws AmeshError `relay_cannot_listen`, `package_missing` */
  listen(): Promise<RelayAddress>;
  /** Ends what has outlived its time. Runs once a second by itself, and exactly when `now` is stepped by hand. */
  sweep(): void;
  /**
   * Takes nobody in any more, sends away who waits, lets pairs finish for up to 10 seconds, then stops listening.
   * `/ready` says 503 meanwhile. A second call waits for the first.
   */
  close(): Promise<void>;
}

/**
 * A relay that introduces two machines to each other and forgets them (docs/protocol.md, section 6): WebSocket
 * at `/ws`, and `/health`, `/ready`, `/metrics` over HTTP. It speaks no TLS; on the internet a proxy does.
 *
 * @throws TypeError for an option that cannot be
 *
 * @example
 * const relay = createRelay({ host: "127.0.0.1", port: 0 });
 * const { url } = await relay.listen(); // "ws://127.0.0.1:49152/ws"
 * await relay.close();
 */
export function createRelay(options: RelayOptions = {}): Relay {
  const complete = completeOptions(options);
  const { host, port, trustProxy, allowOrigins, limits, logger, now, random, redisUrl } = complete;
  const rates = new RateLimits(limits);
  const metrics = createRelayMetrics();
  const refusals = new RefusalLog(logger);
  const directory =
    redisUrl === undefined
      ? loneDirectory
      : new RedisDirectory({ ...complete, url: redisUrl, prefix: complete.redisPrefix });
  const exchange = new Exchange({ limits, rates, directory, metrics, refusals, logger, now, random });
  const startedAt = now();
  let sweeper: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;

  // A connection that does not get on with its request is not waited for.
  const http = createServer({
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8_192,
  });
  http.setTimeout(15_000);
  // By default lines after the thousandth are dropped, and with them what the proxy says of the address. 8 KiB are the bound.
  http.maxHeadersCount = 0;
  http.maxConnections = limits["relay.connections"];
  http.on("connection", countConnection);
  http.on("request", answer);
  http.on("upgrade", upgrade);

  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
    // Each piece costs memory of its own; a message in thousands of them is an attack on that.
    maxFragments: 128,
    maxBufferedChunks: 1_024,
    handleProtocols: () => false,
    WebSocket: AnsweringSocket,
    // How many answers to pings may wait for a peer, and how long it may take over its closing frame. Spread, because the
    // types do not know these options yet.
    ...{ maxPendingAutoPongs: 60, closeTimeout: 2_000 },
  });

  /** Behind proxies all connections are theirs, so that only the relay's own number counts. */
  function countConnection(stream: Socket): void {
    if (trustProxy > 0) return;
    const { key } = clientAddress(stream.remoteAddress, undefined, 0);
    if (rates.openConnection(key, now()) !== undefined) {
      stream.destroy();
      return;
    }
    stream.once("close", () => rates.closeConnection(key));
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const uptime = (now() - startedAt) / 1000;
    answerHttp(request, response, { state: stateOf(), uptime, metrics: renderMetrics });
  }

  function stateOf(): ReadyState {
    if (closing !== undefined) return "draining";
    return directory.state === "down" ? "store_unavailable" : "ready";
  }

  function renderMetrics(): string {
    metrics.set("sockets", "", rates.sockets);
    metrics.set("sessions", "waiting", exchange.sessions.waiting);
    metrics.set("sessions", "paired", exchange.sessions.paired);
    metrics.set("sessions_across", "", directory.across);
    metrics.set("store_up", "", directory.state === "down" ? 0 : 1);
    return metrics.render();
  }

  function upgrade(request: IncomingMessage, _: unknown, head: Buffer): void {
    const stream = request.socket;
    stream.on("error", () => stream.destroy());
    const version = request.headers["sec-websocket-version"];
    // Of a draft of the protocol `ws` speaks too, the origin has another name.
    if (pathOf(request.url ?? "") === "/ws" && version === "13") admit(request, stream, head);
    // Some HTTP clients offer an upgrade to HTTP/2 with every request; we may ignore that.
    else answer(request, lastResponse(request));
  }

  function admit(request: IncomingMessage, stream: Socket, head: Buffer): void {
    const forwardedFor = request.headersDistinct["x-forwarded-for"]?.join(",");
    const address = clientAddress(stream.remoteAddress, forwardedFor, trustProxy);
    const refusal = refusalOf(request, address);
    if (refusal === undefined) {
      stream.once("close", () => rates.closeSocket(address.key));
      webSockets.handleUpgrade(request, stream, head, (socket) => exchange.accept(socket, stream, address));
    } else {
      metrics.add("refusals_total", refusal);
      refusals.note(refusal, address.network, now());
      refuseHttp(lastResponse(request), failure(refusal));
    }
  }

  function refusalOf(request: IncomingMessage, address: ClientAddress): Refusal | undefined {
    const { origin } = request.headers;
    if (closing !== undefined) return "relay_capacity";
    if (origin !== undefined && !allowOrigins.includes(origin)) return "origin_refused";
    return rates.openSocket(address.key, now());
  }

  async function listen(): Promise<RelayAddress> {
    await exchange.open();
    const address = await listenOn(http, host, port).catch(async (error: unknown) => {
      await directory.close();
      throw error;
    });
    // Such as running out of file descriptors: this connection is lost, the others are not.
    http.on("error", (error) => logger.error({ reason: error.message }, "connection not accepted"));
    sweeper = setInterval(sweep, 1_000);
    logger.info({ host: address.host, port: address.port }, "listening");
    return address;
  }

  function sweep(): void {
    exchange.sweep();
    rates.expire(now());
    directory.sweep();
  }

  async function stop(): Promise<void> {
    const { waiting, paired } = exchange.sessions;
    logger.info({ waiting, paired }, "draining");
    await exchange.drain();
    clearInterval(sweeper);
    await directory.close();
    if (http.listening) {
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      await closed;
    }
    logger.info("closed");
  }

  return {
    listen,
    sweep,
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/** A response on a connection that Node took for upgraded; nothing follows it. */
function lastResponse(request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(request.socket);
  response.once("finish", () => request.socket.destroySoon());
  return response;
}
