import type { Socket } from "node:net";
import type { Logger } from "@authmesh/oath/logger";
import { type GatewayMetrics, outcomeOf } from "../admin/gateway-metrics.js";
import type { Admitter } from "../admit/admission.js";
import type { GatewaySettings } from "../config/settings.js";
import type { Exchange } from "./gateway-request.js";
import { Generation } from "./generation.js";
import { Listener } from "./listener.js";
import type { Passage, Passages, Passed } from "./passages.js";
import { Refusals } from "./refusals.js";
import { SpoolRoom } from "./spool.js";

export interface GatewayServerParts {
  readonly admitter: Admitter;
  readonly passages: Passages;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
}

/** Where an answer goes. */
interface Way {
  destroy(): unknown;
}

/** The front of a gateway: connections, the requests on them, and the configuration that these pass through. */
export class GatewayServer {
  readonly #passages: Passages;
  readonly #metrics: GatewayMetrics;
  readonly #refusals: Refusals;
  readonly #room: SpoolRoom;
  readonly #listener: Listener;
  readonly #upgraded = new Set<Socket>();
  readonly #replaced = new Map<Generation, Promise<void>>();
  #generation: Generation;
  #closing: Promise<void> | undefined;

  /** @throws AmeshError `gateway_cannot_listen` for a certificate that cannot be used */
  constructor(settings: GatewaySettings, { admitter, passages, metrics, logger }: GatewayServerParts) {
    this.#generation = new Generation(settings, admitter);
    this.#passages = passages;
    this.#metrics = metrics;
    this.#refusals = new Refusals(logger, (code) => metrics.add("refusals_total", code));
    this.#room = new SpoolRoom(settings.spoolBytes);
    this.#listener = new Listener(
      settings,
      {
        request: (exchange, expectsContinue) =>
          this.#run(exchange.request, exchange.response, (passage) =>
            passages.request(passage, exchange, expectsContinue),
          ),
        upgrade: (request, socket, first) => {
          this.#upgraded.add(socket);
          socket.once("close", () => this.#upgraded.delete(socket));
          this.#run(request, socket, (passage) => passages.upgrade(passage, request, socket, first));
        },
      },
      logger,
    );
  }

  /** What new requests pass through. */
  get generation(): Pick<Generation, "settings" | "admitter"> {
    return this.#generation;
  }

  /** Requests and WebSockets, of whatever configuration. */
  get underWay(): number {
    return [this.#generation, ...this.#replaced.keys()].reduce((sum, { underWay }) => sum + underWay, 0);
  }

  /** Bytes of bodies that wait to be verified. */
  get spoolBytes(): number {
    return this.#room.bytes;
  }

  get isDraining(): boolean {
    return this.#closing !== undefined;
  }

  connections(): Promise<number> {
    return this.#listener.connections();
  }

  /** @throws AmeshError `gateway_cannot_listen` */
  listen(): ReturnType<Listener["listen"]> {
    return this.#listener.listen();
  }

  /** New requests pass through these settings; those under way finish with what they began with. */
  replace(settings: GatewaySettings, admitter: Admitter): void {
    const before = this.#generation;
    this.#generation = new Generation(settings, admitter);
    this.#room.mostBytes = settings.spoolBytes;
    this.#listener.mostConnections = settings.maxConnections;
    const over = before.settled().then(async () => {
      await before.admitter.close();
      this.#replaced.delete(before);
    });
    this.#replaced.set(before, over);
  }

  /**
   * Takes nobody in any more, lets requests under way finish for `drainSeconds`, ends WebSockets at once. A second call
   * waits for the first.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy();
    await this.#listener.close(this.#generation.settings.drainSeconds * 1000);
    await this.#generation.settled();
    await Promise.all(this.#replaced.values());
    await this.#passages.close?.();
    await this.#generation.admitter.close();
    await this.#room.close();
  }

  #run(request: Exchange["request"], way: Way, work: (passage: Passage) => Promise<Passed>): void {
    const generation = this.#generation;
    const passage = { generation, refusals: this.#refusals, room: this.#room };
    const started = performance.now();
    void generation
      .run(() => work(passage))
      .catch((error: unknown): Passed => {
        // A passage answers what goes wrong in it. Whatever else does costs this connection, and nobody else's.
        this.#refusals.answerFor({ method: request.method ?? "", target: request.url ?? "" }, error);
        way.destroy();
        return { route: "", status: undefined };
      })
      .then(({ route, status }) => {
        this.#metrics.add("requests_total", [route, outcomeOf(status)]);
        // A WebSocket lasts as long as it is wanted.
        if (status !== 101)
          this.#metrics.observe("request_seconds", (performance.now() - started) / 1000, [route]);
      });
  }
}
