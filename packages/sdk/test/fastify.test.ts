import { createClient, type VerifyOptions } from "@authmesh/sdk";
import { verify } from "@authmesh/sdk/fastify";
import { fastify } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const caller = makeIdentity();
const trust = new MemoryTrust().trust(caller);
const options: VerifyOptions = { allowList: trust, audience: "api.example.com", logger: silent };

let app = fastify();
afterEach(async () => {
  await app.close();
  app = fastify();
});

/** Calls without a socket, as tests of Fastify applications do. */
const client = createClient({
  identity: caller,
  fetch: async (url, { method, headers, body }) => {
    const { pathname, search, host } = new URL(url);
    const answer = await app.inject({
      method: method as "GET",
      url: pathname + search,
      headers: { ...headers, host },
      ...(body === undefined ? {} : { payload: Buffer.from(body as Uint8Array) }),
    });
    return new Response(answer.rawPayload.length === 0 ? null : new Uint8Array(answer.rawPayload), {
      status: answer.statusCode,
      headers: answer.headers as Record<string, string>,
    });
  },
});
const call = async (path: string, init?: RequestInit) => {
  const response = await client.fetch(`http://api.example.com${path}`, init);
  return [response.status, await response.text()];
};
const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{ "amount": 100 }' };

describe("what the plugin guards", () => {
  test("is the context it is registered in with those within, and nothing beside", async () => {
    await app.register(
      async (api) => {
        await api.register(verify, options);
        api.get("/one", () => "one");
        await api.register(async (inner) => void inner.get("/two", () => "two"), { prefix: "/inner" });
      },
      { prefix: "/api" },
    );
    app.get("/health", () => "ok");
    expect((await app.inject("/health")).statusCode).toBe(200);
    for (const path of ["/api/one", "/api/inner/two"]) {
      expect((await app.inject(path)).statusCode, path).toBe(400);
      expect((await call(path))[0], path).toBe(200);
    }
    expect(await call("/api/one?a=1")).toEqual([200, "one"]);
  });

  test("is the whole server at the root, paths that do not exist and HEAD included", async () => {
    await app.register(verify, options);
    app.get("/one", () => "one");
    expect((await app.inject("/nowhere")).statusCode).toBe(400);
    expect((await call("/nowhere"))[0]).toBe(404);
    expect((await app.inject({ method: "HEAD", url: "/one" })).statusCode).toBe(400);
    expect(await call("/one", { method: "HEAD" })).toEqual([200, ""]);
  });

  test("may be guarded twice: a route that asks for more stands within", async () => {
    await app.register(verify, options);
    await app.register(async (inner) => {
      await inner.register(verify, { ...options, scope: "orders:w" });
      inner.get("/orders", () => "orders");
    });
    app.get("/one", () => "one");
    expect([await call("/one"), (await call("/orders"))[0]]).toEqual([[200, "one"], 403]);
  });

  test("is named in an error when an option makes no sense, and a prefix is none", async () => {
    await expect(app.register(verify, { ...options, prefix: "/api" })).rejects.toThrow(
      /^prefix is not an option/,
    );
  });
});

describe("the body", () => {
  test("is parsed by Fastify's own parser, and its bytes are kept", async () => {
    await app.register(verify, options);
    app.post("/orders", ({ body, rawBody, authMesh }) => ({
      body,
      raw: String(rawBody),
      from: authMesh.friendlyName,
    }));
    expect(await call("/orders", json)).toEqual([
      200,
      JSON.stringify({ body: { amount: 100 }, raw: json.body, from: "caller" }),
    ]);
  });

  test("is validated and limited as Fastify does it, for callers that were let in", async () => {
    app = fastify({ bodyLimit: 100 });
    await app.register(verify, options);
    const schema = { body: { type: "object", required: ["name"] } };
    app.post("/orders", { schema, bodyLimit: 50 }, () => "reached");
    expect((await app.inject({ ...json, method: "POST", url: "/orders" })).json()).toEqual({
      error: "missing_header",
    });
    expect((await call("/orders", json))[1]).toContain("FST_ERR_VALIDATION");
    expect((await call("/orders", { ...json, body: `"${"x".repeat(60)}"` }))[1]).toContain(
      "FST_ERR_CTP_BODY_TOO_LARGE",
    );
    expect(await call("/orders", { ...json, body: `"${"x".repeat(100)}"` })).toEqual([
      413,
      '{"error":"payload_too_large"}',
    ]);
  });
});

test("hooks that are added after it know who called, those before it do not, and none runs for the refused", async () => {
  const order: string[] = [];
  app.addHook("onRequest", async ({ authMesh }) => void order.push(`before ${authMesh?.friendlyName}`));
  await app.register(verify, options);
  app.addHook("onRequest", async ({ authMesh }) => void order.push(`after ${authMesh.friendlyName}`));
  app.addHook("preHandler", async () => void order.push("preHandler"));
  app.get("/one", () => "one");
  await app.inject("/one");
  expect(order.splice(0)).toEqual(["before undefined"]);
  await call("/one");
  expect(order).toEqual(["before undefined", "after caller", "preHandler"]);
});
