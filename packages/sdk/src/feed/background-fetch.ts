import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { SignedInit } from "../client/create-client.js";

const transports = {
  "http:": { request: httpRequest, agent: new HttpAgent({ keepAlive: true }) },
  "https:": { request: httpsRequest, agent: new HttpsAgent({ keepAlive: true }) },
} as const;

/** Without a body of their own, by what the Fetch standard says. */
const bodiless = new Set([204, 205, 304]);

/**
 * Sends a signed request without a body, as fetch does, over a connection that keeps no process alive: a feed is
 * listened to for as long as there is anything else to do. Redirects are answered as they are.
 *
 * @throws TypeError whose cause says why, as fetch does
 */
export function backgroundFetch(url: string, { method, headers, signal }: SignedInit): Promise<Response> {
  const { protocol } = new URL(url);
  const { request, agent } = transports[protocol as keyof typeof transports];
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new TypeError("fetch failed", { cause }));
    const outgoing = request(url, { method, headers, agent, ...(signal ? { signal } : {}) });
    outgoing.on("socket", (socket) => socket.unref());
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      // Nobody else catches what is thrown here, and an answer may have a status that there is not.
      try {
        resolve(asResponse(incoming));
      } catch (error) {
        fail(error);
        incoming.destroy();
      }
    });
    outgoing.end();
  });
}

function asResponse(incoming: IncomingMessage): Response {
  const { statusCode: status = 502, headers } = incoming;
  const plain =
    headers["content-encoding"] === "gzip" ? pipeline(incoming, createGunzip(), () => {}) : incoming;
  if (bodiless.has(status)) incoming.resume();
  const body = bodiless.has(status) ? null : (Readable.toWeb(plain) as ReadableStream<Uint8Array>);
  const [etag, type] = [headers.etag, headers["content-type"]];
  return new Response(body, {
    status,
    headers: {
      ...(etag === undefined ? {} : { etag }),
      ...(type === undefined ? {} : { "content-type": type }),
    },
  });
}
