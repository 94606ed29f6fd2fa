import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import * as http2 from "node:http2";
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from "node:net";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";
import { afterEach } from "vitest";
import type { Admitted } from "../../src/admit/admission.js";
import type { CallerContext } from "../../src/admit/caller-context.js";
import type { RouteSettings, UpstreamSettings } from "../../src/config/settings.js";
import { createForwarder, type ForwarderScene } from "../../src/forward/create-forwarder.js";
import type { Forwarded, ForwardedBody } from "../../src/forward/forwarder.js";
import { routeOf } from "../fixtures/settings.js";

export const context: CallerContext = {
  headersFor: async (_, { caller }) => (caller === undefined ? [] : [["X-AuthMesh-Subject", caller.subject]]),
  keys: { keys: [] },
};

export const upstreamSettings = (
  urls: readonly string[],
  more: Partial<UpstreamSettings> = {},
): UpstreamSettings => ({
  name: "service",
  urls: urls.map((url) => new URL(url)),
  host: "caller",
  maxConnections: 16,
  connectTimeoutMs: 1000,
  health: undefined,
  ca: undefined,
  ...more,
});

export const routeSettings = (more: Partial<RouteSettings> = {}): RouteSettings =>
  routeOf({
    name: "all",
    webSocket: true,
    bodyBytes: 1 << 30,
    bodyTimeoutMs: 5000,
    answerTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    ...more,
  });

/** Closes, after each test of the file that calls this, what was opened in it: the last first. */
export function closingAfterEach(): <T extends Listening | Stage>(thing: T) => T {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const thing of open.splice(0).reverse()) await thing.close();
  });
  return (thing) => {
    open.push(thing);
    return thing;
  };
}

export const admittedCaller = (more: Partial<Admitted> = {}): Admitted => ({
  caller: { kind: "device", subject: "am_0123456789abcdef", scopes: [], decisionId: "decision-1" },
  watch: () => () => {},
  ...more,
});

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object | undefined;
}

export interface Stage {
  /** Of the caller's side. */
  readonly port: number;
  readonly forwarder: ReturnType<typeof createForwarder>;
  readonly log: LogLine[];
  readonly observed: [route: string, seconds: number][];
  /** Upgrades and requests whose promise is still open. */
  readonly running: Set<Promise<unknown>>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly upstreams: readonly UpstreamSettings[];
  readonly route?: Partial<RouteSettings>;
  readonly admitted?: Partial<Admitted>;
  readonly http2?: boolean;
  readonly maxWebSockets?: number;
  readonly scene?: Partial<ForwarderScene>;
}

/** The smallest server that hands everything that it gets to a forwarder. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const log: LogLine[] = [];
  const observed: Stage["observed"] = [];
  const at = (level: string) => (message: string, fields?: object) =>
    void log.push({ level, message, fields });
  const logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const forwarder = createForwarder(
    { upstreams: options.upstreams, maxWebSockets: options.maxWebSockets ?? 100, context },
    { logger, observe: (route, seconds) => void observed.push([route, seconds]), ...options.scene },
  );
  const running = new Set<Promise<unknown>>();
  const track = (promise: Promise<unknown>) => {
    running.add(promise);
    void promise.finally(() => running.delete(promise));
  };
  const route = routeSettings(options.route);
  const admitted = admittedCaller(options.admitted);
  const forwarded = (request: IncomingMessage | http2.Http2ServerRequest): Forwarded => {
    const rawHeaders: string[] = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      if (!request.rawHeaders[i]?.startsWith(":"))
        rawHeaders.push(request.rawHeaders[i] as string, request.rawHeaders[i + 1] as string);
    return {
      route,
      admitted,
      method: request.method ?? "",
      target: request.url ?? "",
      host: request.headers[":authority"]?.toString() ?? request.headers.host ?? "",
      rawHeaders,
      clientAddress: "203.0.113.7",
      forwardedFor: ["203.0.113.7"],
      scheme: "http",
    };
  };
  const answer = (
    request: IncomingMessage | http2.Http2ServerRequest,
    response: Parameters<typeof forwarder.forward>[2]["response"],
  ) => {
    const done = forwarder.forward(forwarded(request), bodyOf(request), { request, response });
    track(done.then(() => ("stream" in response ? response.stream.close(0) : void request.resume())));
  };
  const server = options.http2 === true ? http2.createServer(answer) : createServer(answer);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    track(forwarder.upgrade(forwarded(request), socket, head)),
  );
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    forwarder,
    log,
    observed,
    running,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await forwarder.close();
      await closed;
    },
  };
}

/** A body that is not wanted any more leaves the connection alone. */
function bodyOf(request: IncomingMessage | http2.Http2ServerRequest): ForwardedBody | undefined {
  const { "content-length": length, "transfer-encoding": coding } = request.headers;
  const ended = "stream" in request && request.stream.endAfterHeaders;
  if (ended || (!("stream" in request) && length === undefined && coding === undefined)) return undefined;
  return {
    length: length === undefined ? undefined : Number(length),
    open: () => {
      let listening = false;
      const live: Readable = new Readable({
        read() {
          if (!listening) source.on("data", take).on("end", end).on("close", cutOff);
          listening = true;
          source.resume();
        },
        destroy(error, done) {
          source.off("data", take).off("end", end).off("close", cutOff).pause();
          done(error);
        },
      });
      const source: Readable = request;
      const take = (piece: Buffer) => {
        if (!live.push(piece)) source.pause();
      };
      const end = () => void live.push(null);
      const cutOff = () => {
        if (!source.readableEnded) live.destroy(new AmeshError("body_incomplete"));
      };
      return live;
    },
  };
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** An upstream that is a server of node:http. */
export const serve = (listener: RequestListener, more?: (server: Server) => void): Promise<Listening> => {
  const server = createServer(listener);
  more?.(server);
  return listen(server);
};

/** An upstream that says what it likes. */
export const serveRaw = (connection: (socket: Socket) => void): Promise<Listening> =>
  listen(
    createNetServer((socket) => {
      socket.on("error", () => {});
      connection(socket);
    }),
  );

export async function listen(server: Server | NetServer): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    sockets,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A port where nobody listens. */
export async function deadUrl(): Promise<string> {
  const { url, close } = await serveRaw(() => {});
  await close();
  return url;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingMessage["trailers"];
  readonly body: string;
}

/** Asks over HTTP/1.1. @throws the error of node:http where the answer breaks off */
export function ask(
  port: number,
  options: {
    method?: string;
    path?: string;
    headers?: Record<string, string | string[]>;
    body?: string | Readable;
  } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { body, ...more } = options;
    const request = httpRequest({ port, host: "127.0.0.1", agent: false, ...more }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          trailers: response.trailers,
          body: Buffer.concat(pieces).toString(),
        }),
      );
    });
    request.on("error", reject);
    if (body instanceof Readable) body.pipe(request);
    else request.end(body);
  });
}

/** Sends bytes, and gives all that comes back until the connection ends. */
export async function askRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return Buffer.concat(pieces).toString("latin1");
}

export const readAll = async (stream: Readable): Promise<string> => {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
};
