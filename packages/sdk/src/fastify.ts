import { Readable } from "node:stream";
import type { FastifyPluginAsync } from "fastify";
import { admissionOf } from "./admission.js";
import type { ParsedRequest } from "./body/body-sources.js";
import { nodeRequest } from "./body/node-request.js";
import { answerOverUnread } from "./body/unread-rest.js";
import { tapRequests } from "./body/wire-tap.js";
import { createRequestGuard } from "./request-guard.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who called. Set by `verify`; only behind it. */
    authMesh: AuthMeshIdentity;
    /** The bytes of the body as received, if there is one. Set by `verify`. */
    rawBody?: Buffer;
  }
}

/**
 * Plugin of Fastify that lets only requests of trusted devices through (docs/protocol.md, section 2).
 *
 * It guards the context it is registered in, with all contexts within, and nothing else: the root for the whole
 * server, a plugin of your own for the routes of that plugin. It works in the hook `onRequest`, before all parsing and
 * validation and before the hooks that are added after it; parsers read the body as if nobody had.
 * `maxBodyBytes` is the server's `bodyLimit` unless given.
 *
 * @example
 * await app.register(verify, { audience: "api.example.com" });
 * app.post("/api/orders", (request) => ({ from: request.authMesh.friendlyName }));
 *
 * @throws TypeError, when it is registered, for options that make no sense
 */
export const verify: FastifyPluginAsync<VerifyOptions> = async (app, options) => {
  tapRequests();
  const { bodyLimit: maxBodyBytes } = app.initialConfig;
  const guard = createRequestGuard({
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
    ...options,
  });
  if (!app.hasRequestDecorator("authMesh")) {
    app.decorateRequest("authMesh");
    app.decorateRequest("rawBody");
  }
  app.addHook("onRequest", async function ameshVerify(request, reply) {
    const { authMesh, refusal } = admissionOf(await guard.decide(nodeRequest(request.raw)));
    if (refusal === undefined) {
      request.authMesh = authMesh;
      const { rawBody } = request.raw as ParsedRequest;
      if (Buffer.isBuffer(rawBody)) request.rawBody = rawBody;
      return;
    }
    const { Connection, ...headers } = refusal.headers;
    reply.code(refusal.status).headers(headers);
    // HTTP/2 has no such header, and closes the one stream.
    if (Connection === undefined || request.raw.httpVersionMajor !== 1) return reply.send(refusal.body);
    reply.headers({ Connection, "Content-Length": Buffer.byteLength(refusal.body) });
    return reply.send(answerOverUnread(request.raw, refusal.body));
  });
  app.addHook("preParsing", (request, _reply, payload, done) => {
    const { rawBody } = request;
    const wasRead = payload === request.raw && request.raw.readableDidRead;
    done(null, wasRead && rawBody !== undefined ? streamOf(rawBody) : payload);
  });
};

/** Fastify compares the announced length with what a stream says it received. */
const streamOf = (bytes: Buffer) =>
  Object.assign(Readable.from(bytes.length === 0 ? [] : [bytes]), { receivedEncodedLength: bytes.length });

/** Without a context of its own: the routes to guard are those of whoever registers it. */
Object.assign(verify, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "@authmesh/sdk/fastify",
});
