import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdentity } from "@authmesh/keystore";
import { verify } from "@authmesh/sdk";
import { closeFeeds, feedStatuses } from "@authmesh/sdk/feed";
import { trustMetrics } from "@authmesh/sdk/opentelemetry";
import { announceRevocation, openRedis, RedisRevocations } from "@authmesh/sdk/redis";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { expect, test, vi } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { FeedAuthority } from "../../oath/test/fixtures/feed-authority.js";
import { feedDevice } from "../../oath/test/fixtures/feed-devices.js";
import { HttpServer } from "../../oath/test/fixtures/http-server.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const env = { AUTH_MESH_PASSPHRASE: "of the tests" };

test("the age of feeds and of the fleet's revocations, whether changes arrive, and how many did, can be measured", async ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), "amesh-metrics-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  vi.stubEnv("AUTH_MESH_DIR", join(folder, "server"));
  onTestFinished(() => void vi.unstubAllEnvs());
  const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
  await createIdentity({ dir: join(folder, "server"), env, friendlyName: "server", argon2 });
  const authority = new FeedAuthority("@acme", Date.now);
  const http = await HttpServer.start(authority.answer, onTestFinished);
  authority.iss = http.url;
  const device = feedDevice("shop/till-1");
  await authority.change(device.added);
  const redis = await RedisServer.start(onTestFinished);
  const manager = makeIdentity();
  const revocations = new RedisRevocations({ redisUrl: redis.url, pollMs: 10 });
  onTestFinished(() => revocations.close());
  onTestFinished(closeFeeds);

  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => meterProvider.shutdown());
  const stop = trustMetrics({ meterProvider, feeds: feedStatuses, fleet: revocations });
  const measured = async () => {
    exporter.reset();
    await reader.forceFlush();
    const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
    return Object.fromEntries(
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => {
          const { "authmesh.trust.source": source, ...more } = attributes;
          if (source === "feed")
            expect(more).toEqual({ "authmesh.authority": http.url, "authmesh.feed": "@acme" });
          else expect(more).toEqual({});
          return [`${source} ${descriptor.name.replace("authmesh.trust.", "")} ${descriptor.unit}`, value];
        }),
      ),
    );
  };
  const becomes = (expected: object) =>
    expect.poll(measured, { interval: 10, timeout: 5000 }).toEqual(expected);
  const young = expect.toSatisfy((age: number) => age >= 0 && age < 30);
  expect(await measured()).toEqual({});

  verify({
    allowList: new MemoryTrust().trust(manager, { scopes: { __manage: "rw" } }),
    authority: { url: http.url, key: authority.key },
    account: "@acme",
    revocations,
    logger: silent,
  });
  await expect.poll(() => authority.streams.size).toBe(1);
  await authority.change(device.revoked);
  const current = {
    "feed age s": young,
    "feed connected 1": 1,
    "feed changes {change}": 2,
    "fleet age s": young,
    "fleet connected 1": 1,
    "fleet changes {change}": 0,
  };
  await becomes(current);

  const commands = await openRedis(redis.url, 10);
  onTestFinished(() => commands.close());
  await announceRevocation(commands, manager, { action: "revoke", device: device.id });
  await becomes({ ...current, "fleet changes {change}": 1 });

  await Promise.all([http.stop(), redis.kill()]);
  await becomes({ ...current, "fleet changes {change}": 1, "feed connected 1": 0, "fleet connected 1": 0 });

  stop();
  const last = await measured();
  expect(await measured()).toEqual(last); // ages stand still: nobody is asked any more
});

test("what never was the latest has no age", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const revocations = new RedisRevocations({ redisUrl: "redis://127.0.0.1:1" });
  verify({ allowList: new MemoryTrust(), revocations, logger: silent });
  trustMetrics({ meterProvider, fleet: revocations });
  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const values = metrics.map(({ descriptor, dataPoints }) => [
    descriptor.name,
    ...dataPoints.map(({ value }) => value),
  ]);
  expect(values).toEqual([
    ["authmesh.trust.connected", 0],
    ["authmesh.trust.changes", 0],
  ]);
  await revocations.close();
  await meterProvider.shutdown();
});
