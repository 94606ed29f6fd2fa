import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import {
  type CertificateFiles,
  readCertificate,
  renewCertificate,
  usingCertificate,
} from "@authmesh/oath/node";
import type { GatewaySettings, TlsFiles } from "../config/settings.js";
import { listenOn } from "../listen-on.js";
import type { Exchange } from "./gateway-request.js";
import { PipelinedRequests } from "./pipelined-requests.js";
import { limitResets } from "./reset-limit.js";
import { answerUnreadable } from "./unreadable.js";
import { WebSocketOnly } from "./web-socket-only.js";

/** What a listener hands on. */
export interface Requests {
  request(exchange: Exchange, expectsContinue: boolean): void;
  /** An upgrade to WebSocket, or CONNECT: the connection is no HTTP any more. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

const certificateLookMs = 5_000;
const sweepMs = 50;

/** Bodies have time limits of their own, so that an upload may take as long as its bytes come. */
const http1Limits = {
  headersTimeout: 10_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
  requireHostHeader: false, // refused by the checks, which say why
  keepAlive: true,
  IncomingMessage: WebSocketOnly,
};
const http2Limits = {
  maxHeaderListPairs: 128,
  maxSessionMemory: 4,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxOutstandingPings: 10,
  maxSettings: 32,
  settings: { maxConcurrentStreams: 128, maxHeaderListSize: 16_384, enableConnectProtocol: false },
};
const idleSessionMs = 65_000;

/** Takes connections: HTTP/1.1, and over TLS HTTP/2 for those who want it. */
export class Listener {
  readonly #server: Server | TlsServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #settings: GatewaySettings;
  readonly #logger: Logger;
  readonly #lines = new Map<Duplex, PipelinedRequests>();
  /** Connections of HTTP/1 that have not asked for anything yet; Node.js does not count them as idle. */
  readonly #silent = new Set<Socket>();
  #closing = false;
  #stopRenewing = () => {};

  /** @throws AmeshError `gateway_cannot_listen` for a certificate that cannot be used */
  constructor(settings: GatewaySettings, requests: Requests, logger: Logger) {
    const { tls } = settings.listen;
    this.#settings = settings;
    this.#logger = logger;
    this.#server = tls === undefined ? createServer(http1Limits) : this.#createTls(tls, requests);
    this.#server.maxConnections = settings.maxConnections;
    this.#server.maxHeadersCount = 0; // none is dropped in silence: they are counted, and bounded by their bytes
    this.#server.setTimeout(0);
    if (tls === undefined) this.#server.on("connection", (socket: Socket) => this.#greet(socket));
    this.#serve(this.#server, requests);
    const handedOver = (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#lineOf(socket).handOver(() => requests.upgrade(request, socket, head));
    this.#server.on("upgrade", handedOver);
    this.#server.on("connect", handedOver);
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) =>
      answerUnreadable(error, socket, this.#lines.get(socket)?.owesAnswers ?? false),
    );
  }

  /** @throws AmeshError `gateway_cannot_listen` */
  async listen(): Promise<AddressInfo> {
    const { host, port, tls } = this.#settings.listen;
    const server = this.#server;
    const address = await listenOn(server, { host, port });
    // Such as running out of file descriptors: this connection is lost, the others are not.
    server.on("error", (error) => this.#logger.error("connection not accepted", { reason: error.message }));
    if (tls !== undefined)
      this.#stopRenewing = renewCertificate(server as TlsServer, tls, {
        failed: unusable(tls),
        tell: ({ message, fix }) =>
          this.#logger.error(`the certificate stays as it was: ${message}`, { fix }),
        recovered: () => this.#logger.warn("the renewed certificate is in use", { cert: tls.cert }),
        everyMs: certificateLookMs,
      });
    return address;
  }

  set mostConnections(count: number) {
    this.#server.maxConnections = count;
  }

  /** Connections that are open. */
  connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_, count) => resolve(count ?? 0)));
  }

  /**
   * Takes no further connections, and resolves once all that are open have ended: idle ones now, the others with their
   * last answer, those that are left after `drainMs` without one.
   */
  async close(drainMs: number): Promise<void> {
    this.#stopRenewing();
    this.#closing = true;
    const server = this.#server;
    if (!server.listening) return;
    for (const line of this.#lines.values()) line.last();
    for (const socket of this.#silent) socket.destroy();
    const closed = once(server, "close");
    server.close();
    for (const session of this.#sessions) session.close();
    // A connection whose answer had begun is idle a moment later.
    const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
    const cut = setTimeout(() => {
      server.closeAllConnections();
      for (const socket of this.#lines.keys()) socket.destroy(); // those that were handed over
      for (const session of this.#sessions) session.destroy();
    }, drainMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(cut);
  }

  #serve(server: Pick<Server, "on">, { request }: Requests): void {
    const entered =
      (expectsContinue: boolean) =>
      (incoming: IncomingMessage, response: ServerResponse): void => {
        if (this.#closing || (incoming as WebSocketOnly).isDeclined) response.shouldKeepAlive = false;
        this.#lineOf(incoming.socket).add({ request: incoming, response }, (exchange) =>
          request(exchange, expectsContinue),
        );
      };
    server.on("request", entered(false));
    server.on("checkContinue", entered(true));
  }

  #greet(socket: Socket): void {
    this.#silent.add(socket);
    socket.once("close", () => this.#silent.delete(socket));
  }

  #lineOf(socket: Socket): PipelinedRequests {
    const present = this.#lines.get(socket);
    if (present !== undefined) return present;
    const line = new PipelinedRequests(socket);
    this.#silent.delete(socket);
    this.#lines.set(socket, line);
    socket.once("close", () => this.#lines.delete(socket));
    return line;
  }

  /** One server for TLS; what its peers agreed on decides who reads their bytes. */
  #createTls(files: TlsFiles, { request }: Requests): TlsServer {
    const server = usingCertificate(unusable(files), () =>
      createTlsServer({
        ...http1Limits,
        ...readCertificate(files),
        minVersion: "TLSv1.2",
        handshakeTimeout: 10_000,
        ALPNProtocols: ["h2", "http/1.1"],
        requestCert: files.clientCa !== undefined,
        rejectUnauthorized: files.requireClientCert,
      }),
    );
    const http2 = createHttp2Server(http2Limits);
    http2.on("request", (incoming, response) => request({ request: incoming, response }, false));
    http2.on("checkContinue", (incoming, response) => request({ request: incoming, response }, true));
    http2.on("connect", (incoming, response) => request({ request: incoming, response }, false));
    const [http1] = server.listeners("secureConnection") as [(socket: TLSSocket) => void];
    server.removeAllListeners("secureConnection");
    server.on("secureConnection", (socket) => {
      if (socket.alpnProtocol === "h2") {
        http2.once("session", (session) => this.#follow(session, socket));
        http2.emit("connection", socket);
      } else {
        this.#greet(socket);
        http1.call(server, socket);
      }
    });
    return server;
  }

  #follow(session: ServerHttp2Session, socket: Socket): void {
    this.#sessions.add(session);
    session.once("close", () => {
      this.#sessions.delete(session);
      socket.destroySoon();
    });
    session.setTimeout(idleSessionMs, () => session.close());
    limitResets(session, socket);
  }
}

const unusable =
  ({ cert, key }: CertificateFiles) =>
  (reason: string, cause: unknown) =>
    new AmeshError(
      "gateway_cannot_listen",
      `The certificate ${cert} with the key ${key} cannot be used (${reason}).`,
      {
        fix: "`listen.tls.cert` is a PEM file with the chain, and `key` the PEM file of its private key.",
        cause,
      },
    );
