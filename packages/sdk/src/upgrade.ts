import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { unreferencedTimer } from "@authmesh/oath/timing";
import { type Authenticated, admissionOf } from "./admission.js";
import { nodeRequest } from "./body/node-request.js";
import type { RefusalResponse } from "./refusal-response.js";
import { createRequestGuard } from "./request-guard.js";
import type { VerifyOptions } from "./verify-options.js";

/** How long the end of a connection may take to reach its peer. */
const lastWordsMs = 500;

/**
 * Takes over an upgraded connection. `ended` aborts when the device is no longer let in; its `reason` is an
 * `AmeshError`. Nothing that arrives from then on is handed over. What its listeners write is still sent, for half a
 * second at most, then the socket is closed.
 */
export type UpgradeHandler = (
  request: Authenticated<IncomingMessage>,
  socket: Duplex,
  head: Buffer,
  ended: AbortSignal,
) => void;

/**
 * Wraps a listener of the event `upgrade`, so that only trusted devices get a connection (docs/protocol.md,
 * section 2): the upgrade is a signed request without a body, usually a GET. Anything else gets an HTTP answer and is
 * closed.
 *
 * The connection is closed once its device is revoked or removed, its entry expires, or it lacks `scope`; that is
 * noticed within a second or so.
 *
 * @example
 * const sockets = new WebSocketServer({ noServer: true });
 * server.on("upgrade", protectUpgrade((request, socket, head, ended) => {
 *   sockets.handleUpgrade(request, socket, head, (ws) => {
 *     ended.addEventListener("abort", () => ws.close(1008, "revoked"));
 *     ws.send(`hello ${request.authMesh.friendlyName}`);
 *   });
 * }, { audience: "api.example.com" }));
 *
 * @throws TypeError for options that make no sense
 */
export function protectUpgrade(
  handler: UpgradeHandler,
  options: VerifyOptions = {},
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const guard = createRequestGuard(options);
  return function ameshUpgrade(request, socket, head) {
    // Until the handler has its own listener, a connection that breaks would end the process.
    socket.on("error", destroyed);
    void guard.decide(nodeRequest(request)).then((decision) => {
      if (socket.destroyed) return;
      const { grant, refusal } = admissionOf(decision);
      if (refusal !== undefined) return answer(socket, refusal);
      const ended = new AbortController();
      const unwatch = guard.watch(grant.authMesh.deviceId, (reason) => {
        discardInput(socket);
        ended.abort(reason);
        socket.end(() => socket.destroy());
        unreferencedTimer(() => socket.destroy(), lastWordsMs); // a peer that does not read keeps nothing open
      });
      socket.once("close", unwatch);
      process.nextTick(() => {
        handler(Object.assign(request, grant), socket, head, ended.signal);
        socket.off("error", destroyed);
      });
    });
  };
}

/** What a device sends once it is not let in any more reaches no application. */
function discardInput(socket: Duplex): void {
  socket.push = () => false;
}

function destroyed(this: Duplex): void {
  this.destroy();
}

function answer(socket: Duplex, { status, headers, body }: RefusalResponse): void {
  const fields = { ...headers, Connection: "close", "Content-Length": Buffer.byteLength(body) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines].join("\r\n");
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}
