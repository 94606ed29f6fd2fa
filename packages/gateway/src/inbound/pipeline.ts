import type { IncomingMessage } from "node:http";
import { type Failure, failure } from "@authmesh/core";
import { discardUnread, endUnread as endUnreadStream } from "@authmesh/sdk/guard";
import type { Forwarded, Forwarder } from "../forward/forwarder.js";
import { responseOn } from "../forward/web-socket.js";
import { originOf } from "./forwarded-for.js";
import { type Exchange, GatewayRequest } from "./gateway-request.js";
import type { Passage, Passages, Passed } from "./passages.js";
import { sendAnswer } from "./refusals.js";
import { ambiguityOf, pathOf } from "./request-checks.js";
import { headOf, valuesOf } from "./request-head.js";

/** More are answered with 431. */
const mostHeaders = 100;

/** Resolves with the status that was answered; undefined where the caller left without one. */
type SendOn = (forwarded: Forwarded, request: GatewayRequest) => Promise<number | undefined>;

/**
 * Checks requests, chooses their routes, admits them, and sends them on (docs/protocol.md, section 14). An upgrade that is
 * refused gets an answer of HTTP, the last one on its connection.
 */
export const passagesTo = (forwarder: Forwarder): Passages => ({
  request: (passage, exchange, expectsContinue) =>
    pass(passage, exchange, expectsContinue, async (forwarded, request) => {
      await request.gatherShortBody();
      await forwarder.forward(forwarded, request.takeBody(), exchange);
      await endUnread(exchange);
      return answered(exchange);
    }),
  upgrade(passage, request, socket, first) {
    const response = responseOn(socket, request.method ?? "");
    const exchange = { request, response };
    return pass(passage, exchange, false, async (forwarded) => {
      // Like any other request where the route does not follow upgrades.
      if (!forwarded.route.webSocket || forwarded.method !== "GET") {
        await forwarder.forward(forwarded, undefined, exchange);
        return answered(exchange);
      }
      response.detachSocket(socket);
      return forwarder.upgrade(forwarded, socket, first);
    });
  },
  close: () => forwarder.close(),
});

async function pass(
  { generation, refusals, room }: Passage,
  exchange: Exchange,
  expectsContinue: boolean,
  sendOn: SendOn,
): Promise<Passed> {
  const { settings, admitter, routes } = generation;
  let request: GatewayRequest | undefined;
  let name = "";
  const over = (): Passed => ({ route: name, status: answered(exchange) });
  const refuse = (why: Failure, more?: Readonly<Record<string, string>>): Passed => {
    refusals.refuse(exchange, why, more);
    return over();
  };
  try {
    const head = headOf(exchange);
    if (head.rawHeaders.length > 2 * mostHeaders) {
      sendAnswer(exchange, { status: 431, headers: { Connection: "close" }, body: "" });
      return over();
    }
    const ambiguity = ambiguityOf(head);
    if (ambiguity !== undefined) return refuse(ambiguity, { Connection: "close" });
    const { method, target, rawHeaders } = head;
    const [host = ""] = valuesOf(rawHeaders, "host");
    const found = routes.find(host, pathOf(target), method);
    if (found === undefined) return refuse(failure("no_route"));
    const { route, allow } = found;
    if (route === undefined) return refuse(failure("method_not_routed"), { Allow: allow.join(", ") });
    name = route.name;
    request = new GatewayRequest(head, exchange, { route, room, expectsContinue });
    const { clientAddress, forwardedFor, scheme } = originOf(
      {
        forwardedFor: request.headers("x-forwarded-for"),
        forwardedProto: request.headers("x-forwarded-proto"),
        peer: exchange.request.socket.remoteAddress ?? "",
        encrypted: settings.listen.tls !== undefined,
      },
      settings.trustProxy,
    );
    const { admitted, answer } = await admitter.admit(request, route);
    if (isGone(exchange)) return over();
    if (answer !== undefined) {
      sendAnswer(exchange, answer);
      return over();
    }
    const status = await sendOn(
      { route, admitted, method, target, host, rawHeaders, clientAddress, forwardedFor, scheme },
      request,
    );
    return { route: name, status };
  } catch (error) {
    refusals.refuseFor(exchange, error);
    return over();
  } finally {
    request?.release();
  }
}

/** The status that was answered; undefined where the caller left before it had the whole answer. */
function answered(exchange: Exchange): number | undefined {
  const { response } = exchange;
  const whole = response.headersSent && (response.writableEnded || !isGone(exchange));
  return whole ? response.statusCode : undefined;
}

const isGone = ({ response }: Exchange): boolean =>
  "stream" in response ? response.stream.destroyed : response.destroyed;

/** An upstream may answer before it took the whole body: the rest must not be read as the next request. */
async function endUnread({ request, response }: Exchange): Promise<void> {
  if (request.complete) return;
  if ("stream" in response) endUnreadStream(response.stream);
  else {
    await discardUnread(request as IncomingMessage);
    if (!request.complete) request.socket.destroy();
  }
}
