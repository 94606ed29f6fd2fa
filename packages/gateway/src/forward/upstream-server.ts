import { buildConnector, Client, Pool } from "undici";
import type { UpstreamSettings } from "../config/settings.js";

/** How long a server that refused a connection is passed over for another one. */
const restMs = 1_000;

/** One of the servers of an upstream: its connections, and how it does. */
export class UpstreamServer {
  readonly url: URL;
  readonly pool: Pool;
  /** Requests under way. */
  pending = 0;
  /** What the health checks say; true where there are none. */
  healthy = true;
  #restsUntil = Number.NEGATIVE_INFINITY;
  readonly #connect: buildConnector.connector;

  /** @param ca PEM */
  constructor(url: URL, { maxConnections, connectTimeoutMs }: UpstreamSettings, ca: string | undefined) {
    this.url = url;
    const connect = buildConnector({ timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca }) });
    // Undici would ask for the certificate of whatever Host the caller named.
    this.#connect = (options, done) => connect({ ...options, servername: "" }, done);
    this.pool = new Pool(url, { connect: this.#connect, connections: maxConnections, pipelining: 1 });
  }

  /** A connection of its own, so that a check never waits behind requests. */
  openClient(): Client {
    return new Client(this.url, { connect: this.#connect });
  }

  rest(now: number): void {
    this.#restsUntil = now + restMs;
  }

  isResting(now: number): boolean {
    return now < this.#restsUntil;
  }
}
