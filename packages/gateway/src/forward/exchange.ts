import type { Duplex, Readable, Writable } from "node:stream";
import { AmeshError } from "@authmesh/core";
import type { Schedule } from "@authmesh/oath/timing";
import type { Dispatcher } from "undici";
import { answerHeaders, answerTrailers } from "./answer-headers.js";
import { isClosed, isHttp2, isTaken, type Response, sendFailure, writeHead } from "./answer-writer.js";
import type { FailureLog } from "./failure-log.js";
import type { Forwarded, ForwardedBody } from "./forwarder.js";
import type { Upstream } from "./upstream.js";
import { upstreamFailure } from "./upstream-failures.js";
import type { UpstreamServer } from "./upstream-server.js";

/** Answers that only announce another one, before which a service is taken to be out of its mind. */
const mostInterim = 16;

const callerGone = new Error("the caller is gone");

export interface ExchangeParts {
  readonly request: Forwarded;
  readonly upstream: Upstream;
  /** As the upstream gets it. */
  readonly target: string;
  /** Names and values in turn, without Host and Content-Length. */
  readonly headers: readonly string[];
  readonly body: ForwardedBody | undefined;
  readonly response: Response;
  readonly log: FailureLog;
  readonly schedule: Schedule;
  /** Takes over a connection that the upstream switched to WebSocket. Without it none is asked for. */
  readonly upgraded: ((rawHeaders: readonly Buffer[], socket: Duplex) => void) | undefined;
  /** Called with the head of the answer. */
  readonly answered: () => void;
}

/** One request on its way to an upstream, and its answer on the way back: both as they come, and neither faster than it is taken. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #parts: ExchangeParts;
  readonly #tried = new Set<UpstreamServer>();
  #server: UpstreamServer | undefined;
  /** Undefined until undici writes: what fails before has reached nobody. */
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;
  #interim = 0;
  #began = false;
  /** Nothing of its body has come yet, and it was not sent. */
  #headIsAlone = false;
  /** Whether the caller has its answer, as far as this exchange goes. */
  #over = false;
  #leaveQueue = () => {};
  #calm = () => {};
  #settle = () => {};

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  /** Resolves when the caller has its answer, or has left. What it still sends is not read here. */
  run(): Promise<void> {
    const { response } = this.#parts;
    return new Promise((resolve) => {
      this.#settle = resolve;
      response.on("error", () => {});
      response.on("drain", () => this.#drained());
      // A stream of HTTP/2 closes only when the caller has sent its whole body, too.
      response.once("finish", () => this.#closed());
      response.once("close", () => this.#closed());
      if (isClosed(response)) this.#closed();
      else this.#attempt();
    });
  }

  /** The caller would no longer be let in: neither side gets more of the other. */
  lose(reason: AmeshError): void {
    const controller = this.#over ? undefined : this.#controller;
    const server = this.#server;
    this.#over = true;
    this.#leaveQueue();
    controller?.abort(callerGone);
    this.#fail(reason, server);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(callerGone);
  }

  onResponseStarted(): void {
    this.#began = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > mostInterim) controller.abort(new AmeshError("upstream_garbled"));
      return;
    }
    const { response, request, answered } = this.#parts;
    const hasBody = request.method !== "HEAD" && status !== 204 && status !== 304;
    try {
      writeHead(response, status, answerHeaders(controller.rawHeaders as Buffer[], status), hasBody);
    } catch (cause) {
      controller.abort(
        cause instanceof AmeshError ? cause : new AmeshError("upstream_garbled", undefined, { cause }),
      );
      return;
    }
    answered();
    if (!hasBody) this.#end();
    // Pieces that came with the head are written before; a head that comes alone is sent alone.
    else {
      this.#headIsAlone = true;
      process.nextTick(() => this.#sendHead());
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const sink: Writable = this.#parts.response;
    this.#headIsAlone = false;
    if (sink.write(chunk)) return;
    controller.pause();
    this.#awaitReader();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#release();
    if (this.#over) return;
    const trailers = controller.rawTrailers as Buffer[];
    if (trailers.length > 0) this.#parts.response.addTrailers(answerTrailers(trailers));
    this.#end();
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _: object,
    socket: Duplex,
  ): void {
    this.#release();
    this.#over = true;
    this.#parts.answered();
    this.#parts.upgraded?.(controller.rawHeaders as Buffer[], socket);
    this.#settle();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const { upstream } = this.#parts;
    const server = this.#server;
    const failed = upstreamFailure(error, this.#began);
    const leftNothing = this.#controller === undefined && failed.failure.status >= 500;
    if (leftNothing && server !== undefined) {
      upstream.unreachable(server);
      this.#tried.add(server);
    }
    this.#release();
    if (this.#over) return;
    if (leftNothing && upstream.hasOther(this.#tried)) this.#attempt();
    else this.#fail(failed, server);
  }

  #attempt(): void {
    if (this.#begin() || this.#over) return;
    const { upstream, schedule, request } = this.#parts;
    try {
      const leave = upstream.wait(() => this.#begin());
      const cancel = schedule(() => {
        leave();
        this.#fail(new AmeshError("upstream_timeout", "No connection became free."), undefined);
      }, request.route.answerTimeoutMs);
      this.#leaveQueue = () => {
        cancel();
        leave();
      };
    } catch (error) {
      this.#fail(upstreamFailure(error as Error, false), undefined);
    }
  }

  /** @returns whether there was a place */
  #begin(): boolean {
    try {
      const server = this.#parts.upstream.take(this.#tried);
      if (server === undefined) return false;
      this.#leaveQueue();
      this.#dispatch(server);
      return true;
    } catch (error) {
      this.#leaveQueue();
      this.#fail(upstreamFailure(error as Error, false), undefined);
      return false;
    }
  }

  #dispatch(server: UpstreamServer): void {
    const { request, upstream, target, headers, body, upgraded } = this.#parts;
    const length = body?.length;
    this.#server = server;
    this.#body ??= length === 0 ? undefined : open(body);
    const options = {
      path: target,
      method: request.method,
      headers: [
        "Host",
        // HTTP/1.0 knows requests without one.
        (upstream.settings.host === "caller" && request.host) || server.url.host,
        ...(length === undefined || length === 0 ? [] : ["Content-Length", String(length)]),
        ...headers,
      ],
      body: this.#body ?? null,
      upgrade: upgraded === undefined ? null : "websocket",
      idempotent: false,
      headersTimeout: request.route.answerTimeoutMs,
      bodyTimeout: request.route.idleTimeoutMs,
      // Else it would be taken from Host, and with every other host the connection would be made anew.
      servername: server.url.hostname,
    };
    server.pool.dispatch(options, this);
  }

  #release(): void {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) this.#parts.upstream.release(server);
  }

  #end(): void {
    const { response } = this.#parts;
    this.#over = true;
    this.#headIsAlone = false;
    response.end();
    if (!isTaken(response)) this.#awaitReader();
  }

  /** That of HTTP/2 is sent when it is written. */
  #sendHead(): void {
    const { response } = this.#parts;
    if (this.#headIsAlone && !isHttp2(response) && !isClosed(response)) response.flushHeaders();
  }

  /** A caller that does not read holds its connection for so long and no longer. */
  #awaitReader(): void {
    const { response, request, schedule } = this.#parts;
    const { idleTimeoutMs } = request.route;
    this.#calm();
    if (idleTimeoutMs > 0) this.#calm = schedule(() => response.destroy(), idleTimeoutMs);
  }

  #fail(error: AmeshError, server: UpstreamServer | undefined): void {
    const { request, response, log } = this.#parts;
    this.#over = true;
    this.#body?.destroy();
    log.write(error, request, server?.url);
    sendFailure(response, error.failure, request.admitted.caller?.decisionId);
  }

  #drained(): void {
    this.#calm();
    this.#controller?.resume();
  }

  /** The caller has read its answer, or left without it. */
  #closed(): void {
    const left = !this.#over;
    this.#over = true;
    this.#calm();
    this.#leaveQueue();
    if (left) this.#controller?.abort(callerGone);
    this.#body?.destroy();
    this.#settle();
  }
}

function open(body: ForwardedBody | undefined): Readable | undefined {
  // What undici has let go of may still break.
  return body?.open().on("error", () => {});
}
