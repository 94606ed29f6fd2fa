/** Every adapter for tokens as a server under test. */
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { requireAction, requireScope, type VerifyTokenOptions, verifyToken } from "@authmesh/sdk";
import * as fastifyTokens from "@authmesh/sdk/fastify";
import * as fetchTokens from "@authmesh/sdk/fetch";
import * as honoTokens from "@authmesh/sdk/hono";
import { protectTokenApi, withOathMesh } from "@authmesh/sdk/next";
import { protectToken } from "@authmesh/sdk/node";
import { getRequestListener } from "@hono/node-server";
import express5 from "express";
import express4 from "express4";
import { type FastifyInstance, fastify } from "fastify";
import { Hono } from "hono";
import type { RunningServer } from "../adapters/adapter.js";
import { bridged, contentOf, listen, serveHttp1 } from "../adapters/servers.js";
import { http1, type Transport } from "../adapters/wire.js";
import { http2 } from "../adapters/wire-http2.js";
import type { TokenBench } from "./token-exchange.js";

/** What a route asks for, beside a good token. */
export interface RouteNeeds {
  readonly action?: string;
  readonly scope?: string;
}

export interface TokenAdapter {
  readonly name: string;
  readonly transport: Transport;
  /** Serves `bench.echo` behind the adapter, on every path and method, or on those below `mount`. */
  start(
    bench: TokenBench,
    options: VerifyTokenOptions,
    mount: string | undefined,
    needs: RouteNeeds,
  ): Promise<RunningServer>;
}

/** A whole tree of what a route needs: only what is asked for. */
const needed = <Guard>(
  { action, scope }: RouteNeeds,
  byAction: (action: string) => Guard,
  byScope: (scope: string) => Guard,
): Guard[] => [
  ...(action === undefined ? [] : [byAction(action)]),
  ...(scope === undefined ? [] : [byScope(scope)]),
];

const express = (name: string, create: typeof express5): TokenAdapter => ({
  name,
  transport: http1,
  start(bench, options, mount, needs) {
    const app = create();
    const guarded = mount === undefined ? app : create.Router();
    guarded.use(verifyToken(options));
    for (const guard of needed(needs, requireAction, requireScope)) guarded.use(guard);
    guarded.use(async (request, response) => {
      const { subject } = request.oathmeshContext.principal;
      response.end(bench.echo(subject, request.method, await contentOf(request)));
    });
    if (mount !== undefined) app.use(mount, guarded);
    return serveHttp1(app);
  },
});

const nodeHttp: TokenAdapter = {
  name: "node:http",
  transport: http1,
  start(bench, options, mount = "", needs) {
    const guards = needed(needs, requireAction, requireScope);
    const guarded = protectToken((request, response) => {
      const [guard = (_: unknown, __: unknown, next: () => void) => next()] = guards;
      guard(request, response, async () => {
        const { subject } = request.oathmeshContext.principal;
        response.end(bench.echo(subject, request.method, await contentOf(request)));
      });
    }, options);
    return serveHttp1((request, response) => {
      if (request.url?.startsWith(mount)) return guarded(request, response);
      response.writeHead(404).end();
    });
  },
};

const nodeHttp2: TokenAdapter = {
  name: "node:http2",
  transport: http2,
  start(bench, options, mount = "", needs) {
    const guards = needed(needs, requireAction, requireScope);
    const guarded = protectToken<Http2ServerRequest, Http2ServerResponse>((request, response) => {
      const [guard = (_: unknown, __: unknown, next: () => void) => next()] = guards;
      guard(request, response, async () => {
        const body = (request as { rawBody?: Buffer }).rawBody ?? (await contentOf(request));
        response.end(bench.echo(request.oathmeshContext.principal.subject, request.method, body));
      });
    }, options);
    const server = createHttp2Server((request, response) => {
      if (request.url.startsWith(mount)) return guarded(request, response);
      response.writeHead(404).end();
    });
    return listen(server);
  },
};

const fastifyOver = (name: string, transport: Transport): TokenAdapter => ({
  name,
  transport,
  async start(bench, options, mount, needs) {
    const app: FastifyInstance =
      transport === http2 ? (fastify({ http2: true }) as unknown as FastifyInstance) : fastify();
    const { verifyToken, requireAction, requireScope } = fastifyTokens;
    await app.register(
      async (guarded) => {
        await guarded.register(verifyToken, options);
        guarded.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
        guarded.removeContentTypeParser("application/json");
        guarded.removeContentTypeParser("text/plain");
        guarded.all("/*", { onRequest: needed(needs, requireAction, requireScope) }, (request) =>
          bench.echo(
            request.oathmeshContext.principal.subject,
            request.method,
            (request.body as Buffer | undefined) ?? Buffer.alloc(0),
          ),
        );
      },
      mount === undefined ? {} : { prefix: mount },
    );
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    return { host: new URL(address).host, close: () => app.close() };
  },
});

const hono: TokenAdapter = {
  name: "Hono on @hono/node-server",
  transport: http1,
  start(bench, options, mount, needs) {
    const { verifyToken, requireAction, requireScope } = honoTokens;
    const guarded = new Hono();
    guarded.use(verifyToken(options));
    for (const guard of needed(needs, requireAction, requireScope)) guarded.use(guard);
    guarded.all("/*", async (c) => {
      const { subject } = c.get("oathmeshContext").principal;
      return c.body(bench.echo(subject, c.req.method, new Uint8Array(await c.req.arrayBuffer())));
    });
    const app = mount === undefined ? guarded : new Hono().route(mount, guarded);
    return serveHttp1(getRequestListener(app.fetch));
  },
};

const serveFetch = (mount: string, handler: (request: Request) => Promise<Response>) =>
  serveHttp1(
    bridged((request) =>
      new URL(request.url).pathname.startsWith(mount)
        ? handler(request)
        : new Response(null, { status: 404 }),
    ),
  );

/** The answer of a handler of the Fetch standard to a caller that was let in. */
async function answer(
  bench: TokenBench,
  request: Request,
  caller: Parameters<typeof fetchTokens.requireAction>[0],
  needs: RouteNeeds,
): Promise<Response> {
  const { requireAction, requireScope } = fetchTokens;
  const [refusal] = needed(
    needs,
    (action) => requireAction(caller, action),
    (scope) => requireScope(caller, scope),
  );
  if (refusal !== undefined) return refusal;
  const body = new Uint8Array(await request.arrayBuffer());
  return new Response(bench.echo(caller?.principal.subject ?? "", request.method, body));
}

const fetchStyle: TokenAdapter = {
  name: "a handler of the Fetch standard",
  transport: http1,
  start(bench, options, mount = "", needs) {
    const guarded = fetchTokens.protectToken(
      (request) => answer(bench, request, request.oathmeshContext, needs),
      options,
    );
    return serveFetch(mount, guarded);
  },
};

const appRouter: TokenAdapter = {
  name: "withOathMesh",
  transport: http1,
  start(bench, options, mount = "", needs) {
    const oathmesh = withOathMesh(options);
    return serveFetch(mount, async (request) => {
      const { caller, error } = await oathmesh(request);
      return error ?? answer(bench, request, caller, needs);
    });
  },
};

const pagesRouter: TokenAdapter = {
  name: "protectTokenApi",
  transport: http1,
  start(bench, options, mount = "", needs) {
    const { requireAction, requireScope } = fetchTokens;
    const guarded = protectTokenApi(async (request, response) => {
      const caller = request.oathmeshContext;
      const [refusal] = needed(
        needs,
        (action) => requireAction(caller, action),
        (scope) => requireScope(caller, scope),
      );
      if (refusal !== undefined) {
        response.writeHead(refusal.status, Object.fromEntries(refusal.headers)).end(await refusal.text());
        return;
      }
      response.end(bench.echo(caller.principal.subject, request.method, await contentOf(request)));
    }, options);
    return serveHttp1((request, response) => {
      if (request.url?.startsWith(mount)) return void guarded(request, response);
      response.writeHead(404).end();
    });
  },
};

export const adapters: readonly TokenAdapter[] = [
  express("Express 5", express5),
  express("Express 4", express4),
  nodeHttp,
  nodeHttp2,
  fastifyOver("Fastify", http1),
  fastifyOver("Fastify over HTTP/2", http2),
  hono,
  fetchStyle,
  appRouter,
  pagesRouter,
];
