import { resolve } from "node:path";
import { defaults } from "./defaults.js";
import type { GatewayConfig, UpstreamConfig } from "./gateway-config.js";
import type { UpstreamSettings } from "./settings.js";

/** Whether a route names its upstream by URL: names have no colon. */
export const isUrl = (upstream: string): boolean => upstream.includes(":");

/** Those that have a name, and one for each URL that routes name. */
export function upstreamsOf({ upstreams = {}, routes }: GatewayConfig, folder: string): UpstreamSettings[] {
  const named = Object.entries(upstreams).map(([name, upstream]) => settingsOf(name, upstream, folder));
  const byUrl = new Set(routes.map(({ upstream = "" }) => upstream).filter(isWrittenAsUrl));
  return [...named, ...[...byUrl].map((url) => settingsOf(url, { urls: url }, folder))];
}

const isWrittenAsUrl = (upstream: string): boolean => isUrl(upstream) && URL.canParse(upstream);

function settingsOf(name: string, upstream: UpstreamConfig, folder: string): UpstreamSettings {
  const { host, maxConnections, connectTimeoutSeconds, health, ca } = upstream;
  return {
    name,
    urls: [upstream.urls].flat().map((url) => new URL(url)),
    host: host ?? defaults.upstream.host,
    maxConnections: maxConnections ?? defaults.upstream.maxConnections,
    connectTimeoutMs: (connectTimeoutSeconds ?? defaults.upstream.connectTimeoutSeconds) * 1000,
    health: health && healthOf(health),
    ca: ca && resolve(folder, ca),
  };
}

function healthOf(health: NonNullable<UpstreamConfig["health"]>): NonNullable<UpstreamSettings["health"]> {
  const { path, intervalSeconds, timeoutSeconds, failures } = { ...defaults.upstream.health, ...health };
  return { path, intervalMs: intervalSeconds * 1000, timeoutMs: timeoutSeconds * 1000, failures };
}
