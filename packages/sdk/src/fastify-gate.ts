import { Readable } from "node:stream";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Gate } from "./admission.js";
import type { ParsedRequest } from "./body/body-sources.js";
import { nodeRequest } from "./body/node-request.js";
import { answerOverUnread } from "./body/unread-rest.js";
import { tapRequests } from "./body/wire-tap.js";
import type { RefusalResponse } from "./refusal-response.js";

interface GateOptions {
  readonly maxBodyBytes?: number | undefined;
}

/**
 * A gate as a plugin of Fastify, in the hook `onRequest`: before all parsing and validation and before the hooks that
 * are added after it. It has no context of its own: the routes to guard are those of whoever registers it.
 *
 * @param decoration what the requests it lets in gain
 */
export function gatePlugin<Options extends GateOptions>(
  decoration: string,
  createGate: (options: Options) => Gate<object>,
): FastifyPluginAsync<Options> {
  const plugin: FastifyPluginAsync<Options> = async (app, options) => {
    tapRequests();
    const { bodyLimit: maxBodyBytes } = app.initialConfig;
    const gate = createGate({ ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }), ...options });
    for (const name of [decoration, "rawBody"]) if (!app.hasRequestDecorator(name)) app.decorateRequest(name);
    app.addHook("onRequest", async function ameshVerify(request, reply) {
      const { grant, refusal } = await gate(nodeRequest(request.raw));
      if (refusal !== undefined) return replyWith(refusal, request, reply);
      Object.assign(request, grant);
      const { rawBody } = request.raw as ParsedRequest;
      if (Buffer.isBuffer(rawBody)) request.rawBody = rawBody;
      return;
    });
    app.addHook("preParsing", (request, _reply, payload, done) => {
      const { rawBody } = request;
      const wasRead = payload === request.raw && request.raw.readableDidRead;
      done(null, wasRead && rawBody !== undefined ? streamOf(rawBody) : payload);
    });
  };
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "@authmesh/sdk/fastify",
  });
}

export function replyWith(
  { status, headers: { Connection, ...headers }, body }: RefusalResponse,
  { raw }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.code(status).headers(headers);
  // HTTP/2 has no such header, and closes the one stream.
  if (Connection === undefined || raw.httpVersionMajor !== 1) return reply.send(body);
  reply.headers({ Connection, "Content-Length": Buffer.byteLength(body) });
  return reply.send(answerOverUnread(raw, body));
}

/** Fastify compares the announced length with what a stream says it received. */
const streamOf = (bytes: Buffer) =>
  Object.assign(Readable.from(bytes.length === 0 ? [] : [bytes]), { receivedEncodedLength: bytes.length });
