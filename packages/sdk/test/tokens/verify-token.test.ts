import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEvent } from "@authmesh/core";
import type { OathMeshContext, TokenDecision } from "@authmesh/oath";
import { FanOutAuditSink } from "@authmesh/oath/audit";
import {
  type Logger,
  requireAction,
  requireScope,
  type VerifyTokenOptions,
  verifyToken,
} from "@authmesh/sdk";
import { requireAction as requireActionOf } from "@authmesh/sdk/fetch";
import { openTelemetry } from "@authmesh/sdk/opentelemetry";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import express from "express";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { http1 } from "../adapters/wire.js";
import { Kept } from "../fixtures/kept.js";
import { serve } from "../fixtures/servers.js";
import { audience, issuer, newSigner, TokenBench, type TokenExchange } from "./token-exchange.js";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A logger, and what it was told. */
function notes() {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void lines.push({ level, message, fields: fields as Record<string, unknown> });
  const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { lines, logger };
}

/** A server of Express behind `verifyToken`, and what its handlers see. */
async function api(options: Partial<VerifyTokenOptions> = {}) {
  const bench = new TokenBench(http1);
  const seen: OathMeshContext[] = [];
  const app = express();
  app.use(verifyToken({ ...bench.options, ...options }));
  app.get("/audits", requireScope("audits:r"), (_request, response) => void response.end());
  app.post(
    "/orders",
    requireAction("orders.write", "orders.admin"),
    (_request, response) => void response.end(),
  );
  app.use((request, response) => {
    seen.push(request.oathmeshContext);
    response.end();
  });
  const { url, host } = await serve(app);
  bench.host = host;
  const send = async (exchange: TokenExchange = {}) => {
    const headers = await bench.headers(exchange, await bench.token(exchange));
    const { method = "GET", path = "/" } = exchange;
    return fetch(url + path, {
      method,
      headers: headers.map(([name, value]) => [name, value] as [string, string]),
    });
  };
  return { bench, url, seen, send };
}

const anything = expect.any(String);

describe("a request that is let in", () => {
  test("tells its handler who called, for what, and by which token", async () => {
    const { send, seen } = await api();
    await send({
      claims: {
        scope: ["orders:rw"],
        tenant: "@acme",
        env: "production",
        reason: "nightly run",
        src: { type: "github-actions", repo: "acme/shop" },
      },
    });
    expect(seen).toEqual([
      {
        principal: { subject: "svc://billing/worker", issuer, tenant: "@acme" },
        action: "orders.write",
        scopes: ["orders:rw"],
        audience,
        tokenId: anything,
        source: { type: "github-actions", repo: "acme/shop" },
        environment: "production",
        reason: "nightly run",
        issuedAt: expect.any(Number),
        expiresAt: expect.any(Number),
        verifiedAt: expect.any(Number),
        bound: { request: false, key: false },
      },
    ]);
    expect(Object.isFrozen(seen[0])).toBe(true);
  });
});

describe("a request that is refused", () => {
  test("gets a problem document about its own token, and a challenge", async () => {
    const { send } = await api();
    const response = await send({ claims: { aud: "invoices" } });
    expect(response.status).toBe(401);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("www-authenticate")).toBe('OathMesh error="audience_mismatch"');
    const document = await response.json();
    expect(document).toEqual({
      title: "The token is for another audience.",
      status: 401,
      detail: expect.stringContaining('"invoices"'),
      error: "audience_mismatch",
      step: 11,
      fix: expect.stringContaining("aud"),
      decision: response.headers.get("authmesh-decision"),
    });
  });

  test("names the claim that is missing", async () => {
    const { url } = await api();
    const response = await fetch(url);
    expect(response.headers.get("www-authenticate")).toBe('OathMesh error="claim_missing:token"');
    expect(await response.json()).toMatchObject({ error: "claim_missing:token", step: 1 });
  });

  test("is told when to come again where the server is at fault, and nothing of the fault", async () => {
    const { send } = await api({
      replay: { checkAndRecord: () => Promise.reject(new Error("redis://:secret@10.0.0.1")) },
    });
    const response = await send();
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ error: "replay_store_unavailable", status: 503, step: 13 });
    expect(text).not.toMatch(/secret|10\.0\.0\.1/);
    expect(response.headers.get("www-authenticate")).toBeNull();
  });

  test("learns nothing of what the policy says", async () => {
    const decision = { allowed: false, rule: "no-interns", reason: "The rule no-interns denies." };
    const policy = { decide: () => decision, explain: () => ({ decision, rules: [] }), digest: "" };
    const { lines, logger } = notes();
    const { send } = await api({ policy, logger });
    const response = await send();
    expect([response.status, await response.text()]).toEqual([403, expect.not.stringContaining("interns")]);
    expect(lines.map(({ message }) => message)).toContainEqual(expect.stringContaining("no-interns"));
  });
});

describe("a verifier without a policy", () => {
  test("lets nobody in, and its log says why when it is made", async () => {
    const { lines, logger } = notes();
    const { send } = await api({ policy: undefined, logger });
    expect(lines).toMatchObject([{ level: "error", message: expect.stringContaining("no policy is given") }]);
    const response = await send();
    expect([response.status, await response.json()]).toMatchObject([403, { error: "policy_denied" }]);
  });
});

describe("options", () => {
  const good = new TokenBench(http1).options;

  test.each([
    ["a misspelt one", { audiense: "orders" }, /audiense/],
    ["no audience", { audience: [] }, /audience/],
    ["an issuer that is no URL", { trustedIssuers: ["tokens"] }, /issuer/i],
    ["keys over plain HTTP", { keys: undefined, trustedIssuers: ["http://tokens.example.com"] }, /https/],
    ["issuers as one text", { keys: undefined, trustedIssuers: "https://tokens.example.com" }, /array/],
    ["a host that is none", { hosts: "a b" }, /^hosts: /],
    ["hosts without any", { hosts: [] }, /^hosts: there is no host/],
    ["a policy that is null", { policy: null }, /^policy must be/],
    ["a sink that is none", { audit: {} }, /audit/],
  ] as const)("%s is a TypeError", (_, options, message) => {
    expect(() => verifyToken({ ...good, ...options } as unknown as VerifyTokenOptions)).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringMatching(message) }),
    );
  });

  test("in production a verifier that remembers by itself says that instances need one store", () => {
    vi.stubEnv("NODE_ENV", "production");
    onTestFinished(() => void vi.unstubAllEnvs());
    const { lines, logger } = notes();
    for (let i = 0; i < 2; i++) verifyToken({ ...good, logger });
    expect(lines.map(({ message }) => message)).toEqual([
      expect.stringMatching(/tokens that were used.*RedisNonceStore/),
    ]);
  });

  test("without keys they are fetched from the issuers at once, and the log says when that fails and when it works again", async () => {
    const signer = newSigner();
    let up = false;
    let asked = 0;
    const { url } = await serve((_request, response) => {
      asked++;
      if (up) response.end(JSON.stringify({ keys: [signer.publicJwk] }));
      else response.writeHead(500).end();
    });
    const { lines, logger } = notes();
    const failed = vi.waitFor(() => expect(lines).toHaveLength(1));
    const { send } = await api({ keys: undefined, trustedIssuers: [url], logger });
    await failed;
    expect([asked, lines[0]?.message]).toEqual([
      1,
      expect.stringContaining(`the keys of ${url} cannot be fetched`),
    ]);
    up = true;
    await vi.waitFor(async () => expect((await send({ issuer: url, signer })).status).toBe(200), {
      timeout: 5000,
      interval: 100,
    });
    expect(lines.map(({ message }) => message)).toContainEqual(`the keys of ${url} can be fetched again`);
  });

  test("one store serves all verifiers of the process", async () => {
    const first = await api();
    const token = await first.bench.token({});
    const go = (url: string) => fetch(url, { headers: { Authorization: `OathMesh ${token}` } });
    const second = await api({ keys: first.bench.options.keys });
    expect((await go(first.url)).status).toBe(200);
    const response = await go(second.url);
    expect([response.status, await response.json()]).toMatchObject([401, { error: "replay_detected" }]);
  });
});

describe("who is told of a decision", () => {
  test("the listener gets it, and what it throws changes nothing", async () => {
    const decisions: TokenDecision[] = [];
    const { lines, logger } = notes();
    const { send } = await api({
      logger,
      onDecision(decision, { method, target }) {
        decisions.push(decision);
        expect([method, target]).toEqual(["GET", "/"]);
        throw new Error("not today");
      },
    });
    expect([(await send()).status, (await send({ at: -600 })).status]).toEqual([200, 401]);
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(lines).toContainEqual({
      level: "error",
      message: "onDecision failed",
      fields: { message: "not today" },
    });
  });

  test("OpenTelemetry counts tokens as it counts devices", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const { send } = await api({
      onDecision: openTelemetry({ meterProvider: new MeterProvider({ readers: [reader] }) }),
    });
    await send();
    await send({ at: -600 });
    await reader.forceFlush();
    const [{ scopeMetrics: [scope] = [] } = {}] = exporter.getMetrics();
    const points = scope?.metrics[0]?.dataPoints.map(({ attributes, value }) => ({ ...attributes, value }));
    expect(points).toEqual([
      { "authmesh.outcome": "allowed", "http.request.method": "GET", value: 1 },
      {
        "authmesh.outcome": "refused",
        "error.type": "token_expired",
        "http.request.method": "GET",
        value: 1,
      },
    ]);
    await reader.shutdown();
  });

  test("the audit gets proven claims as such, and others as unverified", async () => {
    const events: AuditEvent[] = [];
    const { send } = await api({ audit: { write: async (batch) => void events.push(...batch) } });
    await send({ claims: { src: { type: "gitlab" }, scope: ["orders:rw"] } });
    await send({ signer: newSigner() });
    await vi.waitFor(() => expect(events).toHaveLength(2));
    const claims = expect.objectContaining({ sub: "svc://billing/worker", iss: issuer });
    expect(events[0]).toMatchObject({
      type: "dev.authmesh.request.allowed",
      subject: "svc://billing/worker",
      proven: true,
      data: { request: { method: "GET", target: "/" }, claims },
    });
    expect(events[1]).toMatchObject({
      type: "dev.authmesh.request.refused",
      proven: false,
      data: { unverified: { claims }, code: "key_unknown", step: "7" },
    });
    expect(events[1]).not.toHaveProperty("subject");
    expect(events[1]?.data).not.toHaveProperty("claims");
  });

  test("the sinks that are required, or nobody is let in, and the others learn why", async () => {
    const [first, second] = [new Kept(), new Kept()];
    const audit = new FanOutAuditSink([first, second], { require: 2, waitMs: 300, logger: notes().logger });
    onTestFinished(() => audit.close());
    const decided: TokenDecision[] = [];
    const { send, seen } = await api({ audit, onDecision: (decision) => void decided.push(decision) });
    expect((await send()).status).toBe(200);
    expect([first.events.length, second.events.length]).toEqual([1, 1]); // before the answer, not after
    second.trouble = new Error("gone");
    const refused = await send();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    const { status, error, decision } = await refused.json();
    expect([status, error, decision]).toEqual([503, "audit_unavailable", decided[1]?.id]);
    expect(seen).toHaveLength(1);
    const [, allowed, instead] = await first.until(3);
    expect(allowed).toMatchObject({ type: "dev.authmesh.request.allowed" });
    expect(instead).toMatchObject({
      type: "dev.authmesh.request.refused",
      id: decision,
      data: { code: "audit_unavailable" },
    });
  });

  test("a flood of copies of a token fills no log", async () => {
    const { lines, logger } = notes();
    const { bench, url } = await api({ logger });
    const token = await bench.token({});
    for (let i = 0; i < 20; i++) await fetch(url, { headers: { Authorization: `OathMesh ${token}` } });
    const warned = lines.filter(
      ({ level, fields }) => level === "warn" && fields["code"] === "replay_detected",
    );
    expect(warned.length).toBeLessThan(5);
    expect(warned[0]?.fields).toMatchObject({ subject: '"svc://billing/worker"', step: "13" });
  });
});

describe("what a route requires", () => {
  test("refuses with a problem document, and audit, log and listener learn of it", async () => {
    const events: AuditEvent[] = [];
    const decisions: TokenDecision[] = [];
    const { lines, logger } = notes();
    const { send } = await api({
      logger,
      audit: { write: async (batch) => void events.push(...batch) },
      onDecision: (decision) => void decisions.push(decision),
    });
    const response = await send({ method: "POST", path: "/orders", claims: { act: "orders.read" } });
    expect(response.status).toBe(403);
    const document = await response.json();
    expect(document).toMatchObject({
      error: "action_mismatch",
      step: 14,
      detail: expect.stringContaining("orders.read"),
    });
    await vi.waitFor(() => expect(events).toHaveLength(2));
    expect(events.map(({ type }) => type)).toEqual([
      "dev.authmesh.request.allowed",
      "dev.authmesh.request.refused",
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(2);
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(lines).toMatchObject([
      { level: "warn", fields: { code: "action_mismatch", decision: document.decision } },
    ]);
  });

  test("one of several actions suffices, and every scope is needed", async () => {
    const { send } = await api();
    expect((await send({ method: "POST", path: "/orders", claims: { act: "orders.admin" } })).status).toBe(
      200,
    );
    expect((await send({ path: "/audits", claims: { scope: ["audits:rw"] } })).status).toBe(200);
    expect((await send({ path: "/audits", claims: { scope: ["*:r"] } })).status).toBe(200);
    expect((await send({ path: "/audits", claims: { scope: ["audits:w", "audit:r"] } })).status).toBe(403);
  });

  test("without a verifier in front nobody passes, whatever the request holds", async () => {
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => told.mockRestore());
    let handled = 0;
    const forged = { action: "orders.write", scopes: [], principal: { subject: "svc://a/b", issuer } };
    const app = express();
    app.use((request, _response, next) => {
      if (request.url === "/forged") Object.assign(request, { oathmeshContext: forged });
      next();
    });
    app.use(requireAction("orders.write"), () => handled++);
    const { url } = await serve(app);
    for (const path of ["/", "/forged"]) {
      const response = await fetch(url + path);
      expect([response.status, await response.json()]).toMatchObject([500, { error: "token_unverified" }]);
    }
    expect(requireActionOf(undefined, "orders.write")?.status).toBe(500);
    expect(handled).toBe(0);
    expect(told).toHaveBeenCalledWith(expect.stringContaining("token_unverified"));
  });

  test.each([[[]], [[""]], [[7]]])("%j is a TypeError", (names) => {
    expect(() => requireAction(...(names as string[]))).toThrow(TypeError);
    expect(() => requireScope(...(names as string[]))).toThrow(TypeError);
  });
});

test("a body parser in front takes nothing from a token that is bound to the body", async () => {
  const bench = new TokenBench(http1);
  const app = express();
  app.use(
    express.json(),
    verifyToken({ ...bench.options, requireRequestBinding: true }),
    (request, response) => {
      response.json(request.body);
    },
  );
  const { url, host } = await serve(app);
  bench.host = host;
  const exchange = {
    method: "POST",
    path: "/",
    type: "application/json",
    body: '{ "a" : 1.0,\n"a":2 }',
    bound: true,
  };
  const headers = await bench.headers(exchange, await bench.token(exchange));
  const response = await fetch(url, {
    method: "POST",
    body: exchange.body,
    headers: [
      ...headers.map(([name, value]) => [name, value] as [string, string]),
      ["Content-Type", exchange.type],
    ],
  });
  expect([response.status, await response.json()]).toEqual([200, { a: 2 }]);
});

describe("a policy on disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "amesh-policy-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "policy.yaml");
  const allowing = (action: string) =>
    `version: 1\nrules:\n  - name: billing\n    effect: allow\n    subject: svc://billing/*\n    action: ${action}\n`;

  test("decides, is followed when it changes, and the audit learns of that", async () => {
    const events: AuditEvent[] = [];
    writeFileSync(path, allowing("orders.write"));
    const { send, seen } = await api({
      policy: path,
      audit: { write: async (batch) => void events.push(...batch) },
    });
    expect((await send()).status).toBe(200);
    expect(seen[0]?.rule).toBe("billing");
    expect((await send({ claims: { act: "orders.read" } })).status).toBe(403);
    writeFileSync(path, allowing("orders.read"));
    await vi.waitFor(async () => expect((await send()).status).toBe(403), { timeout: 5000, interval: 100 });
    await vi.waitFor(() => expect(events.map(({ type }) => type)).toContain("dev.authmesh.policy.reloaded"));
  });

  test("that cannot be read lets nobody in, and the server recovers once it can", async () => {
    writeFileSync(path, "version: 1\nrulez: []\n");
    const { lines, logger } = notes();
    const { send } = await api({ policy: path, logger });
    expect((await send()).status).toBe(403);
    expect((await send()).status).toBe(403);
    expect(lines.filter(({ message }) => message.includes("the policy cannot be opened"))).toHaveLength(1);
    writeFileSync(path, allowing("orders.write"));
    await vi.waitFor(async () => expect((await send()).status).toBe(200), { timeout: 5000, interval: 200 });
  });
});
