import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { type Schedule, unreferencedTimer } from "@authmesh/oath/timing";
import type { UpstreamSettings } from "../config/settings.js";
import { checkHealth } from "./health-check.js";
import { UpstreamServer } from "./upstream-server.js";

/** Requests that wait for a connection, of one upstream. */
const mostWaiting = 1_000;

export interface UpstreamScene {
  readonly logger: Logger;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly now?: () => number;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: timers that keep no process alive. */
  readonly schedule?: Schedule;
}

/** How a server of an upstream does, for metrics and `/ready`. */
export interface UpstreamStatus {
  readonly upstream: string;
  readonly url: string;
  /** Requests under way. */
  readonly pending: number;
  readonly healthy: boolean;
}

/** Servers that answer alike: which of them is asked next, and who waits for that. */
export class Upstream {
  readonly settings: UpstreamSettings;
  readonly #servers: readonly UpstreamServer[];
  readonly #now: () => number;
  /** Each says whether it took a place. */
  readonly #waiting = new Set<() => boolean>();
  readonly #stopChecks: readonly (() => void)[];
  /** Where the search begins, so that equal servers take turns. */
  #turn = 0;
  #retired = false;

  /** @param authorities PEM */
  constructor(
    settings: UpstreamSettings,
    authorities: string | undefined,
    { logger, now, random, schedule }: UpstreamScene,
  ) {
    const { urls, health, name } = settings;
    this.settings = settings;
    this.#now = now ?? (() => performance.now());
    this.#servers = urls.map((url) => new UpstreamServer(url, settings, authorities));
    const changed = ({ healthy, url }: UpstreamServer, reason: string | undefined) => {
      if (healthy) logger.warn("a server of an upstream is well again", { upstream: name, url: url.origin });
      else
        logger.warn("a server of an upstream fails its health check", {
          upstream: name,
          url: url.origin,
          reason,
        });
      if (healthy) for (const turn of [...this.#waiting]) turn();
    };
    const scene = { schedule: schedule ?? unreferencedTimer, random: random ?? Math.random, changed };
    this.#stopChecks =
      health === undefined ? [] : this.#servers.map((server) => checkHealth(server, health, scene));
  }

  /**
   * A place at the server with the fewest requests under way, to be given back with `release`; undefined where every one
   * has as many as it takes.
   *
   * @param tried those that could not be reached for this request
   * @throws AmeshError `upstream_unhealthy` where none is asked at all, `upstream_unreachable` where all were tried
   */
  take(tried: ReadonlySet<UpstreamServer>): UpstreamServer | undefined {
    const healthy = this.#servers.filter((server) => server.healthy);
    if (healthy.length === 0) throw new AmeshError("upstream_unhealthy");
    const left = healthy.filter((server) => !tried.has(server));
    if (left.length === 0) throw new AmeshError("upstream_unreachable");
    const now = this.#now();
    const rested = left.filter((server) => !server.isResting(now));
    const server = this.#leastPending(rested.length > 0 ? rested : left);
    if (server === undefined || server.pending >= this.settings.maxConnections) return undefined;
    server.pending += 1;
    return server;
  }

  release(server: UpstreamServer): void {
    server.pending -= 1;
    this.#callNext();
    this.#closeWhenIdle();
  }

  /** Takes note that a server could not be reached. */
  unreachable(server: UpstreamServer): void {
    server.rest(this.#now());
  }

  /** Whether there is a server that this request may go to yet. */
  hasOther(tried: ReadonlySet<UpstreamServer>): boolean {
    return this.#servers.some((server) => server.healthy && !tried.has(server));
  }

  /**
   * Calls when a place may be free, until it is left: whoever came first, first. Returns the way out of the queue.
   *
   * @param turn whether it took a place
   * @throws AmeshError `gateway_busy` where too many wait
   */
  wait(turn: () => boolean): () => void {
    if (this.#waiting.size >= mostWaiting) throw new AmeshError("gateway_busy");
    this.#waiting.add(turn);
    return () => {
      this.#waiting.delete(turn);
      this.#closeWhenIdle();
    };
  }

  status(): readonly UpstreamStatus[] {
    const upstream = this.settings.name;
    return this.#servers.map(({ url, pending, healthy }) => ({
      upstream,
      url: url.origin,
      pending,
      healthy,
    }));
  }

  /** Stops the checks, and closes connections once nothing is under way. */
  retire(): void {
    for (const stop of this.#stopChecks) stop();
    this.#retired = true;
    this.#closeWhenIdle();
  }

  /** Likewise, but waits for nothing. */
  async destroy(): Promise<void> {
    this.retire();
    await Promise.all(this.#servers.map(({ pool }) => pool.destroy()));
  }

  #leastPending(servers: readonly UpstreamServer[]): UpstreamServer | undefined {
    let least: UpstreamServer | undefined;
    this.#turn += 1;
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(this.#turn + i) % servers.length] as UpstreamServer;
      if (least === undefined || server.pending < least.pending) least = server;
    }
    return least;
  }

  #callNext(): void {
    for (const turn of this.#waiting) if (turn()) return;
  }

  #closeWhenIdle(): void {
    if (!this.#retired || this.#waiting.size > 0) return;
    if (this.#servers.some(({ pending }) => pending > 0)) return;
    for (const { pool } of this.#servers) if (!pool.closed && !pool.destroyed) void pool.close();
  }
}
