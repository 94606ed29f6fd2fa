import { AsyncLocalStorage } from "node:async_hooks";
import { createClient } from "@authmesh/sdk";
import { openTelemetry } from "@authmesh/sdk/opentelemetry";
import { type Context, type ContextManager, context, ROOT_CONTEXT } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { verify } from "../src/express.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

/** As the one of @opentelemetry/context-async-hooks. */
class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active = () => this.#storage.getStore() ?? ROOT_CONTEXT;
  with: ContextManager["with"] = (value, work, self, ...args) =>
    this.#storage.run(value, () => work.call(self as never, ...args));
  bind: ContextManager["bind"] = (_, target) => target;
  enable = () => this;
  disable = () => this;
}

const spans = new InMemorySpanExporter();
const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
beforeAll(() => {
  context.setGlobalContextManager(new AsyncContexts());
});
afterAll(() => context.disable());

test("decisions are counted and timed, and told to the active span, with nothing that a caller chooses in a metric", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const caller = makeIdentity();
  const trust = new MemoryTrust().trust(caller);
  const guard = verify({ allowList: trust, logger: silent, onDecision: openTelemetry({ meterProvider }) });
  const tracer = tracers.getTracer("test");
  const { host } = await serve((request, response) => {
    tracer.startActiveSpan("request", (span) => {
      response.on("close", () => span.end());
      guard(request, response, () => response.end("in"));
    });
  });
  trust.audience = [host];
  const client = createClient({ identity: caller });
  expect((await client.fetch(`http://${host}/`)).status).toBe(200);
  const refused = await createClient({ identity: makeIdentity() }).fetch(`http://${host}/`, {
    method: "PURGE",
  });
  expect(refused.status).toBe(401);
  await vi.waitFor(() => expect(spans.getFinishedSpans()).toHaveLength(2));

  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const points = Object.fromEntries(
    metrics.map(({ descriptor, dataPoints }) => [
      `${descriptor.name} ${descriptor.unit}`,
      dataPoints.map(({ attributes, value }) => [attributes, value] as const),
    ]),
  );
  const outcomes = [
    { "authmesh.outcome": "allowed", "http.request.method": "GET" },
    { "authmesh.outcome": "refused", "error.type": "device_unknown", "http.request.method": "_OTHER" },
  ];
  expect(points["authmesh.verifications {verification}"]).toEqual(
    outcomes.map((attributes) => [attributes, 1]),
  );
  const durations = points["authmesh.verification.duration s"] ?? [];
  expect(durations.map(([attributes]) => attributes)).toEqual(outcomes);
  for (const [, value] of durations) expect((value as { sum: number }).sum).toBeGreaterThan(0);

  const [first, second] = spans.getFinishedSpans().map(({ attributes }) => attributes);
  expect(first).toEqual({
    "authmesh.outcome": "allowed",
    "authmesh.decision.id": expect.stringMatching(/^[\w-]{16}$/),
    "authmesh.caller.kind": "device",
    "authmesh.caller.id": caller.publicKey.deviceId,
    "authmesh.caller.name": "caller",
  });
  expect(second).toEqual({
    "authmesh.outcome": "refused",
    "error.type": "device_unknown",
    "authmesh.step": "device",
    "authmesh.decision.id": refused.headers.get("authmesh-decision"),
  });
  await meterProvider.shutdown();
});
