import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AmeshError } from "@authmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminServer } from "../src/admin/admin-server.js";
import { createGatewayMetrics, outcomeOf } from "../src/admin/gateway-metrics.js";
import type { GatewayState } from "../src/admin/gateway-state.js";
import { openCallerContext } from "../src/admit/caller-context.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const server = (url: string, healthy = true) => ({ upstream: "service", url, pending: 2, healthy });
const well: GatewayState = {
  draining: false,
  notReady: undefined,
  routes: [routeOf(), routeOf({ upstream: undefined })],
  upstreams: [server("http://127.0.0.1:8080"), server("http://127.0.0.1:8081")],
  feeds: [],
  inFlight: 3,
  connections: 5,
  webSockets: 1,
  spoolBytes: 4096,
};

let state: GatewayState;
let metrics: ReturnType<typeof createGatewayMetrics>;
let admin: AdminServer;
let url: string;

beforeEach(async () => {
  state = well;
  metrics = createGatewayMetrics();
  const { keys } = await openCallerContext(settingsOf().context);
  admin = new AdminServer({ state: async () => state, keys: () => keys, metrics });
  url = `http://127.0.0.1:${(await admin.listen({ host: "127.0.0.1", port: 0 })).port}`;
});

afterEach(() => admin.close());

it("is healthy as long as it answers", async () => {
  state = { ...well, draining: true };
  const answer = await fetch(`${url}/health?probe=1`);
  expect([answer.status, await answer.json()]).toEqual([200, { status: "ok" }]);
  expect(answer.headers.get("cache-control")).toBe("no-store");
});

describe("readiness", () => {
  const ready = async () => {
    const answer = await fetch(`${url}/ready`);
    return `${answer.status} ${((await answer.json()) as { reason?: string }).reason ?? "ready"}`;
  };

  it("is given while requests can be let in and sent on", async () => {
    expect(await ready()).toBe("200 ready");
    state = { ...well, upstreams: [server("http://127.0.0.1:8080", false), server("http://127.0.0.1:8081")] };
    expect(await ready()).toBe("200 ready");
  });

  it("is not, with the reason, while the gateway stops, nobody can be verified, or a route leads nowhere", async () => {
    state = { ...well, upstreams: [server("http://127.0.0.1:8080", false)] };
    expect(await ready()).toBe("503 upstream_unhealthy");
    state = { ...well, notReady: new AmeshError("trust_stale") };
    expect(await ready()).toBe("503 trust_stale");
    state = { ...state, draining: true };
    expect(await ready()).toBe("503 draining");
  });
});

it("tells in numbers how it is, and nothing of servers that are gone", async () => {
  metrics.add("requests_total", ["/api/*", outcomeOf(204)]);
  metrics.add("requests_total", ["/api/*", outcomeOf(undefined)]);
  metrics.add("refusals_total", "replay_detected");
  metrics.observe("request_seconds", 0.003, ["/api/*"]);
  metrics.add("config_reloads_total", "taken");
  state = {
    ...well,
    feeds: [feedAged("@acme", 12), feedAged("tokens", Number.POSITIVE_INFINITY)],
  };
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = (await answer.text()).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'amesh_gateway_requests_total{route="/api/*",outcome="2xx"} 1',
      'amesh_gateway_requests_total{route="/api/*",outcome="aborted"} 1',
      'amesh_gateway_refusals_total{code="replay_detected"} 1',
      'amesh_gateway_request_seconds_bucket{route="/api/*",le="0.005"} 1',
      "amesh_gateway_in_flight 3",
      "amesh_gateway_connections 5",
      "amesh_gateway_web_sockets 1",
      "amesh_gateway_spool_bytes 4096",
      'amesh_gateway_upstream_pending{upstream="service",url="http://127.0.0.1:8081"} 2',
      'amesh_gateway_upstream_healthy{upstream="service",url="http://127.0.0.1:8081"} 1',
      'amesh_gateway_config_reloads_total{result="taken"} 1',
      'amesh_gateway_config_reloads_total{result="refused"} 0',
      'amesh_gateway_trust_feed_age_seconds{authority="https://auth.example.com",feed="@acme"} 12',
    ]),
  );
  expect(lines.join()).not.toContain("Infinity");
  state = { ...well, upstreams: [server("http://127.0.0.1:8080")] };
  expect(await (await fetch(`${url}/metrics`)).text()).not.toContain(":8081");
});

it("publishes the keys of context tokens, to HEAD without a body", async () => {
  const answer = await fetch(`${url}/.well-known/jwks.json`);
  expect(await answer.json()).toMatchObject({ keys: [{ kty: "EC", crv: "P-256", use: "sig" }] });
  const head = await fetch(`${url}/.well-known/jwks.json`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect(head.headers.get("content-length")).toBe(answer.headers.get("content-length"));
});

it("has nothing else, and takes nothing", async () => {
  for (const path of ["/", "/constructor", "/__proto__", "/ready/", "//health"])
    expect((await fetch(`${url}${path}`)).status, path).toBe(404);
  const post = await fetch(`${url}/ready`, { method: "POST", body: "{}" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

it("outlives a state that cannot be told", async () => {
  const broken = new AdminServer({
    state: () => Promise.reject(new Error("gone")),
    keys: () => ({ keys: [] }),
    metrics,
  });
  const { port } = await broken.listen({ host: "127.0.0.1", port: 0 });
  await expect(fetch(`http://127.0.0.1:${port}/ready`)).rejects.toThrow();
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  await broken.close();
});

it("says that a port is taken", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const { keys } = await openCallerContext(settingsOf().context);
  const second = new AdminServer({ state: async () => state, keys: () => keys, metrics });
  await expect(second.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({
    code: "gateway_cannot_listen",
  });
  await second.close();
  other.close();
});

const feedAged = (feed: string, ageSeconds: number): GatewayState["feeds"][number] => ({
  authority: "https://auth.example.com",
  feed,
  ageSeconds,
  position: undefined,
  entries: 0,
  applied: 0,
  stale: false,
  connected: true,
  problem: undefined,
});
