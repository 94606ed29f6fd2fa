import { type AmeshError, failure } from "@authmesh/core";
import type { FeedStatus } from "@authmesh/sdk/feed";
import type { RouteSettings } from "../config/settings.js";
import type { UpstreamStatus } from "../forward/upstream.js";
import type { GatewayMetrics } from "./gateway-metrics.js";

/** How a gateway is at a moment. */
export interface GatewayState {
  readonly draining: boolean;
  /** Why nobody can be let in. */
  readonly notReady: AmeshError | undefined;
  readonly routes: readonly RouteSettings[];
  readonly upstreams: readonly UpstreamStatus[];
  readonly feeds: readonly FeedStatus[];
  /** Requests and WebSockets. */
  readonly inFlight: number;
  readonly connections: number;
  readonly webSockets: number;
  readonly spoolBytes: number;
}

/** Why a load balancer is to send nobody, as a code: `draining`, or one of the catalogue; undefined when it may. */
export function unreadiness({ draining, notReady, routes, upstreams }: GatewayState): string | undefined {
  if (draining) return "draining";
  if (notReady !== undefined) return notReady.code;
  const dead = routes.some(({ upstream }) => {
    const servers = upstreams.filter((server) => server.upstream === upstream);
    return servers.length > 0 && servers.every(({ healthy }) => !healthy);
  });
  return dead ? failure("upstream_unhealthy").code : undefined;
}

/** Brings the gauges up to date. */
export function gauge(metrics: GatewayMetrics, state: GatewayState): void {
  metrics.set("in_flight", "", state.inFlight);
  metrics.set("connections", "", state.connections);
  metrics.set("web_sockets", "", state.webSockets);
  metrics.set("spool_bytes", "", state.spoolBytes);
  for (const name of ["upstream_pending", "upstream_healthy", "trust_feed_age_seconds"] as const)
    metrics.clear(name);
  for (const { upstream, url, pending, healthy } of state.upstreams) {
    metrics.set("upstream_pending", [upstream, url], pending);
    metrics.set("upstream_healthy", [upstream, url], Number(healthy));
  }
  for (const { authority, feed, ageSeconds } of state.feeds)
    if (Number.isFinite(ageSeconds)) metrics.set("trust_feed_age_seconds", [authority, feed], ageSeconds);
}
