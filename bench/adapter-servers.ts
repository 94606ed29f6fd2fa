/** One server of bench/adapters.ts. Arguments: the adapter, what guards it, the caller's public key. */
import { hash, verify as verifySignature } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { Readable } from "node:stream";
import { InMemoryNonceStore, PublicKey } from "@authmesh/core";
import { amesh, type VerifyOptions } from "@authmesh/sdk";
import { verify as verifyFastify } from "@authmesh/sdk/fastify";
import { protect as protectFetch } from "@authmesh/sdk/fetch";
import { verify as verifyHono } from "@authmesh/sdk/hono";
import { protect as protectNode } from "@authmesh/sdk/node";
import { getRequestListener } from "@hono/node-server";
import express5 from "express";
import express4 from "express4";
import { fastify } from "fastify";
import { Hono } from "hono";
import { keyObjectOf } from "./key-object.js";
import { trusting } from "./trusted-devices.js";

/** Only in the first is anything of ours at work. `verified`: by the adapter. `floor`: one signature by hand, and nothing else. `plain`: by nobody. */
export type Guard = "verified" | "floor" | "plain";

/** Every server takes JSON and answers the same. */
export const host = "api.example.com";
const answer = { ok: true };
const answerText = JSON.stringify(answer);

const [, , adapter = "", guard = "", callersKey = ""] = process.argv;
const key = PublicKey.fromBase64(callersKey);
const options: VerifyOptions = {
  allowList: trusting(key, 1000),
  audience: host,
  clockSkewSeconds: 300,
  nonceStore: new InMemoryNonceStore(),
};

const bareKey = { key: keyObjectOf(key.bytes), dsaEncoding: "ieee-p1363" } as const;
const members = /ts="(\d+)",nonce="([\w-]+)",sig="([\w-]+)"/;

function checkByHand(authorization = "", body: Uint8Array): void {
  const [, ts, nonce, signature = ""] = members.exec(authorization) ?? [];
  const message = `AMv1\nPOST\n/api/orders\n${ts}\n${nonce}\n${hash("sha256", body, "hex")}`;
  if (!verifySignature("sha256", Buffer.from(message), bareKey, Buffer.from(signature, "base64url")))
    throw new Error("the signature is wrong");
}

const check = (order: unknown): void => {
  if ((order as { amount?: unknown }).amount !== 100) throw new Error("another order");
};

function express(create: typeof express5, guard: Guard): Server {
  const app = create();
  if (guard === "floor") {
    app.use(create.json({ verify: (req, _res, bytes) => Object.assign(req, { bytes }) }));
    app.use((req, _res, next) => {
      checkByHand(req.headers.authorization, (req as unknown as { bytes: Buffer }).bytes);
      next();
    });
  } else app.use(create.json());
  if (guard === "verified") app.use(amesh.verify(options));
  app.post("/api/orders", (req, res) => {
    check(req.body);
    res.json(answer);
  });
  return createServer(app);
}

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = ServerResponse | Http2ServerResponse;
/** As it is read where there is no framework. */
function readBody(request: Incoming, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
}
const reply = (response: Outgoing) => {
  // One signature for both kinds of response.
  (response as ServerResponse).writeHead(200, {
    "content-type": "application/json",
    "content-length": answerText.length,
  });
  (response as ServerResponse).end(answerText);
};
function nodeListener(guard: Guard): (request: Incoming, response: Outgoing) => void {
  if (guard === "verified") {
    return protectNode<Incoming, Outgoing>((request, response) => {
      check((request as { body?: unknown }).body);
      reply(response);
    }, options);
  }
  return (request, response) =>
    readBody(request, (body) => {
      if (guard === "floor") checkByHand(request.headers.authorization, body);
      check(JSON.parse(body.toString()));
      reply(response);
    });
}

async function onFastify(guard: Guard): Promise<Server> {
  const app = fastify();
  if (guard === "verified") await app.register(verifyFastify, options);
  if (guard === "floor") {
    app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
      checkByHand(request.headers.authorization, body as Buffer);
      done(null, JSON.parse(body.toString()));
    });
  }
  app.post("/api/orders", async (request) => {
    check(request.body);
    return answer;
  });
  await app.ready();
  return app.server;
}

function onHono(guard: Guard): Server {
  const app = new Hono();
  if (guard === "verified") app.use(verifyHono(options));
  if (guard === "floor") {
    app.use(async (c, next) => {
      checkByHand(c.req.header("authorization"), new Uint8Array(await c.req.arrayBuffer()));
      await next();
    });
  }
  app.post("/api/orders", async (c) => {
    check(await c.req.json());
    return c.json(answer);
  });
  return createServer(getRequestListener(app.fetch));
}

type FetchHandler = (request: Request) => Promise<Response>;
function fetchHandler(guard: Guard): FetchHandler {
  const answered: FetchHandler = async (request) => {
    check(await request.json());
    return Response.json(answer);
  };
  if (guard === "plain") return answered;
  if (guard === "verified") return protectFetch(answered, options);
  return async (request) => {
    const body = Buffer.from(await request.arrayBuffer());
    checkByHand(request.headers.get("authorization") ?? "", body);
    check(JSON.parse(body.toString()));
    return Response.json(answer);
  };
}

/** A server of the Fetch standard, as small as it can be. */
function bridged(handler: FetchHandler): Server {
  return createServer(async (incoming, outgoing) => {
    const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: "POST",
      headers: incoming.headers as Record<string, string>,
      body: Readable.toWeb(incoming) as ReadableStream,
      duplex: "half",
    } as RequestInit);
    const response = await handler(request);
    const body = Buffer.from(await response.arrayBuffer());
    outgoing.writeHead(response.status, {
      ...Object.fromEntries(response.headers),
      "content-length": body.length,
    });
    outgoing.end(body);
  });
}

const servers: Readonly<Record<string, (guard: Guard) => Server | Promise<Server>>> = {
  "express-5": (guard) => express(express5, guard),
  "express-4": (guard) => express(express4, guard),
  "node-http": (guard) => createServer(nodeListener(guard)),
  "node-http2": (guard) => createHttp2Server(nodeListener(guard)),
  fastify: onFastify,
  hono: onHono,
  fetch: (guard) => bridged(fetchHandler(guard)),
};

const server = await servers[adapter]?.(guard as Guard);
server?.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", () => process.send?.(process.cpuUsage()));
process.on("disconnect", () => process.exit());
