/** Every adapter as a server under test. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { AddressInfo, Server as NetServer } from "node:net";
import { Readable } from "node:stream";
import { amesh } from "@authmesh/sdk";
import { verify as fastifyVerify } from "@authmesh/sdk/fastify";
import { protect as protectFetch } from "@authmesh/sdk/fetch";
import { verify as honoVerify } from "@authmesh/sdk/hono";
import { protect as protectNode } from "@authmesh/sdk/node";
import { getRequestListener } from "@hono/node-server";
import express5 from "express";
import express4 from "express4";
import { type FastifyInstance, fastify } from "fastify";
import { Hono } from "hono";
import { type AdapterUnderTest, fetchDiffers, type RunningServer } from "./adapter.js";
import { http1, type Transport } from "./wire.js";
import { http2 } from "./wire-http2.js";

export const http2Differs: AdapterUnderTest["differs"] = {
  "a target that is a whole URL": {
    because: "Node.js resets a stream with such a :path by itself",
    outcome: { status: 0, handled: 0 },
  },
};

export async function listen(server: NetServer, stop: () => void = () => {}): Promise<RunningServer> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      stop();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

export function serveHttp1(listener: RequestListener): Promise<RunningServer> {
  const server = createServer(listener);
  return listen(server, () => server.closeAllConnections());
}

/** Everything that can still be read of a request's stream. */
export async function contentOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const express = (name: string, create: typeof express5): AdapterUnderTest => ({
  name,
  transport: http1,
  start(bench, options, mount) {
    const app = create();
    const guarded = mount === undefined ? app : create.Router();
    guarded.use(amesh.verify(options));
    guarded.use(async (request, response) => {
      response.end(bench.echo(request.authMesh.friendlyName, request.method, await contentOf(request)));
    });
    if (mount !== undefined) app.use(mount, guarded);
    return serveHttp1(app);
  },
});

const nodeHttp: AdapterUnderTest = {
  name: "node:http",
  transport: http1,
  start(bench, options, mount = "") {
    const guarded = protectNode(async (request, response) => {
      response.end(bench.echo(request.authMesh.friendlyName, request.method, await contentOf(request)));
    }, options);
    return serveHttp1((request, response) => {
      if (request.url?.startsWith(mount)) return guarded(request, response);
      response.writeHead(404).end();
    });
  },
};

const nodeHttp2: AdapterUnderTest = {
  name: "node:http2",
  transport: http2,
  differs: http2Differs,
  start(bench, options, mount = "") {
    const guarded = protectNode<Http2ServerRequest, Http2ServerResponse>((request, response) => {
      const { rawBody = Buffer.alloc(0) } = request as { rawBody?: Buffer };
      response.end(bench.echo(request.authMesh.friendlyName, request.method, rawBody));
    }, options);
    const server = createHttp2Server((request, response) => {
      if (request.url.startsWith(mount)) return guarded(request, response);
      response.writeHead(404).end();
    });
    return listen(server);
  },
};

const fastifyOver = (name: string, transport: Transport): AdapterUnderTest => ({
  name,
  transport,
  ...(transport === http2 ? { differs: http2Differs } : {}),
  async start(bench, options, mount) {
    const app: FastifyInstance =
      transport === http2 ? (fastify({ http2: true }) as unknown as FastifyInstance) : fastify();
    await app.register(
      async (guarded) => {
        await guarded.register(fastifyVerify, options);
        guarded.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
        guarded.all("/*", (request) => {
          const { body, rawBody = Buffer.alloc(0) } = request;
          // What its parsers made of the body came from the bytes that were verified.
          if (Buffer.isBuffer(body) && !body.equals(rawBody)) throw new Error("another body");
          return bench.echo(request.authMesh.friendlyName, request.method, rawBody);
        });
      },
      mount === undefined ? {} : { prefix: mount },
    );
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    return { host: new URL(address).host, close: () => app.close() };
  },
});

const hono: AdapterUnderTest = {
  name: "Hono on @hono/node-server",
  transport: http1,
  differs: {
    ...fetchDiffers,
    "a path with a backslash": {
      because: "the server refuses it by itself",
      outcome: { status: 400, handled: 0 },
    },
  },
  start(bench, options, mount) {
    const guarded = new Hono();
    guarded.use(honoVerify(options));
    guarded.all("/*", async (c) =>
      c.body(
        bench.echo(c.get("authMesh").friendlyName, c.req.method, new Uint8Array(await c.req.arrayBuffer())),
      ),
    );
    const app = mount === undefined ? guarded : new Hono().route(mount, guarded);
    return serveHttp1(getRequestListener(app.fetch));
  },
};

const fetchStyle: AdapterUnderTest = {
  name: "a handler of the Fetch standard",
  transport: http1,
  differs: fetchDiffers,
  start(bench, options, mount = "") {
    const guarded = protectFetch(
      async (request) =>
        new Response(
          bench.echo(
            request.authMesh.friendlyName,
            request.method,
            new Uint8Array(await request.arrayBuffer()),
          ),
        ),
      options,
    );
    return serveHttp1(
      bridged((request) =>
        new URL(request.url).pathname.startsWith(mount)
          ? guarded(request)
          : new Response(null, { status: 404 }),
      ),
    );
  },
};

/** A server of the Fetch standard, as small as it can be. */
export function bridged(handler: (request: Request) => Response | Promise<Response>) {
  return async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/", headers, rawHeaders } = incoming;
    const fields = rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name, rawHeaders[i + 1] as string] as [string, string]] : [],
    );
    const bodyless = method === "GET" || method === "HEAD";
    const request = new Request(url.startsWith("/") ? `http://${headers.host}${url}` : url, {
      method,
      headers: fields,
      ...(bodyless ? {} : { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }),
    } as RequestInit);
    const response = await handler(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  };
}

export const adapters: readonly AdapterUnderTest[] = [
  express("Express 5", express5),
  express("Express 4", express4),
  nodeHttp,
  nodeHttp2,
  fastifyOver("Fastify", http1),
  fastifyOver("Fastify over HTTP/2", http2),
  hono,
  fetchStyle,
];
