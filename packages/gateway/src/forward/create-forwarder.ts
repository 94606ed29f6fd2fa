import type { Duplex } from "node:stream";
import { AmeshError, type ErrorCode } from "@authmesh/core";
import { harmless, type Logger } from "@authmesh/oath/logger";
import { type Schedule, unreferencedTimer } from "@authmesh/oath/timing";
import { type Response, sendFailure } from "./answer-writer.js";
import { Exchange, type ExchangeParts } from "./exchange.js";
import { FailureLog } from "./failure-log.js";
import type { Forwarded, ForwardedBody, Forwarder } from "./forwarder.js";
import type { ForwarderSettings } from "./forwarder-settings.js";
import { LastingRequests } from "./lasting-requests.js";
import { upstreamHeaders } from "./upstream-headers.js";
import { upstreamTarget } from "./upstream-target.js";
import { Upstreams } from "./upstreams.js";
import { responseOn, switchingHead, Tunnel } from "./web-socket.js";

export interface ForwarderScene {
  readonly logger: Logger;
  /** Told of each answer of an upstream: the name of the route, and the seconds until its head. */
  readonly observe?: (route: string, seconds: number) => void;
  /** Told of each request that could not be sent on, or whose answer could not. */
  readonly failed?: (code: ErrorCode) => void;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly now?: () => number;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: timers that keep no process alive. */
  readonly schedule?: Schedule;
}

/**
 * Sends admitted requests on (docs/protocol.md, sections 14.4, 14.6 and 14.7).
 *
 * @throws AmeshError `gateway_config_invalid` for authorities of an upstream that cannot be read
 */
export function createForwarder(given: ForwarderSettings, scene: ForwarderScene): Forwarder {
  const { observe = () => {}, now = () => performance.now(), schedule = unreferencedTimer } = scene;
  const logger = harmless(scene.logger);
  const log = new FailureLog(logger, { now, count: scene.failed });
  let settings = given;
  const upstreams = new Upstreams(given.upstreams, { ...scene, logger, now, schedule });
  const lasting = new LastingRequests({ now, schedule });
  const tunnels = new Set<Tunnel>();
  /** Of upgrades that the upstream has not answered yet. */
  let upgrading = 0;

  /** Answers itself where there is nobody to send to. */
  async function exchange(
    request: Forwarded,
    response: Response,
    { body, upgraded }: Pick<ExchangeParts, "body" | "upgraded">,
  ): Promise<void> {
    const { route, admitted, method } = request;
    const upstream = upstreams.find(route.upstream ?? "");
    try {
      // A configuration that was read meanwhile may have taken it away.
      if (upstream === undefined) throw new AmeshError("no_route");
      const target = upstreamTarget(request.target, route.stripPrefix);
      const context = await settings.context.headersFor({ route, method, target }, admitted);
      const headers = upstreamHeaders(request);
      for (const [name, value] of context) headers.push(name, value);
      const started = now();
      const answered = () => observe(route.name, (now() - started) / 1000);
      // Every member by its name: spreading them would take longer than the rest of this function.
      const exchange = new Exchange({
        request,
        upstream,
        target,
        headers,
        body,
        response,
        log,
        schedule,
        upgraded,
        answered,
      });
      const lose = (reason: AmeshError) => exchange.lose(reason);
      // A WebSocket lasts, and nothing may be passed on of one whose caller was lost while the upstream thought about it.
      const rest = upgraded === undefined ? lasting.add(request, lose) : request.admitted.watch(lose);
      await exchange.run().finally(rest);
    } catch (error) {
      const known =
        error instanceof AmeshError ? error : new AmeshError("unexpected_error", undefined, { cause: error });
      refuse(known, request, response);
    }
  }

  function refuse(error: AmeshError, request: Forwarded, response: Response): void {
    log.write(error, request, undefined);
    sendFailure(response, error.failure, request.admitted.caller?.decisionId);
  }

  function open(request: Forwarded, caller: Duplex, upstream: Duplex): Promise<void> {
    return new Promise((resolve) => {
      const tunnel = new Tunnel(caller, upstream, request.route.idleTimeoutMs, () => {
        tunnels.delete(tunnel);
        unwatch();
        resolve();
      });
      tunnels.add(tunnel);
      const unwatch = request.admitted.watch(({ code }) => {
        const { caller } = request.admitted;
        logger.info(`a WebSocket was ended: ${code}`, {
          decision: caller?.decisionId,
          subject: caller?.subject,
          route: request.route.name,
        });
        tunnel.destroy();
      });
    });
  }

  async function upgrade(request: Forwarded, socket: Duplex, head: Buffer): Promise<number | undefined> {
    const response = responseOn(socket, request.method);
    const answered = () => (response.headersSent ? response.statusCode : undefined);
    if (tunnels.size + upgrading >= settings.maxWebSockets) {
      refuse(new AmeshError("gateway_busy"), request, response);
      return answered();
    }
    upgrading += 1;
    let over: Promise<void> | undefined;
    const upgraded: ExchangeParts["upgraded"] = (raw, upstream) => {
      response.detachSocket(response.socket as NonNullable<typeof response.socket>);
      socket.write(switchingHead(raw), "latin1");
      if (head.length > 0) socket.unshift(head);
      over = open(request, socket, upstream);
    };
    await exchange(request, response, { body: undefined, upgraded });
    upgrading -= 1;
    if (over === undefined) return answered();
    await over;
    return 101;
  }

  return {
    forward: (request: Forwarded, body: ForwardedBody | undefined, { response }) =>
      exchange(request, response, { body, upgraded: undefined }),
    upgrade,
    reload(next) {
      upstreams.replace(next.upstreams);
      settings = next;
    },
    status: () => ({ upstreams: upstreams.status(), webSockets: tunnels.size }),
    async close() {
      for (const tunnel of tunnels) tunnel.destroy();
      await upstreams.destroy();
    },
  };
}
