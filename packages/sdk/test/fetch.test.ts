import { createClient, type VerifyOptions } from "@authmesh/sdk";
import { type AuthenticatedRequest, protect } from "@authmesh/sdk/fetch";
import { verify } from "@authmesh/sdk/hono";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const caller = makeIdentity();
const trust = new MemoryTrust().trust(caller);
const origin = "https://api.example.com";
const options: VerifyOptions = { allowList: trust, audience: "api.example.com", logger: silent };

/** A client whose requests go straight to a handler, as plain `Request`s. */
const clientOf = (handler: (request: Request) => Response | Promise<Response>) =>
  createClient({
    identity: caller,
    fetch: async (url, init) => handler(new Request(url, init as unknown as RequestInit)),
  });

describe("a handler of the Fetch standard", () => {
  test("gets the very request that came in, its body unread, who called, and every further argument", async () => {
    let came: Request | undefined;
    const seen: unknown[] = [];
    const handler = protect(async (request: AuthenticatedRequest, environment: string, extra: number) => {
      seen.push(request === came, request.bodyUsed, environment, extra, await request.json());
      return Response.json(request.authMesh);
    }, options);
    const client = clientOf((request) => {
      came = request;
      return handler(request, "environment", 7);
    });
    const response = await client.fetch(`${origin}/orders`, { method: "POST", body: '{"amount":100}' });
    expect(await response.json()).toEqual({
      deviceId: caller.publicKey.deviceId,
      friendlyName: "caller",
      scopes: {},
      verifiedAt: expect.any(Number),
      decisionId: expect.any(String),
    });
    expect(seen).toEqual([true, false, "environment", 7, { amount: 100 }]);
  });

  test("does not run for a stranger, whose body stays unread", async () => {
    const handler = protect(() => Response.json("reached"), options);
    const request = new Request(origin, { method: "POST", body: "secret" });
    const response = await handler(request);
    expect([response.status, await response.text()]).toEqual([400, '{"error":"missing_header"}']);
    expect([request.bodyUsed, response.headers.get("authmesh-decision")]).toEqual([
      false,
      expect.any(String),
    ]);
  });

  test("whose body was read before is told of the mistake", async () => {
    const handler = protect(() => Response.json("reached"), options);
    const client = clientOf(async (request) => {
      await request.text();
      return handler(request);
    });
    const response = await client.fetch(origin, { method: "POST", body: "x" });
    expect([response.status, await response.json()]).toEqual([500, { error: "body_parser_ordering_error" }]);
  });

  test("passes two verifiers, of which the second holds the body to its own limit", async () => {
    const twice = (inner: VerifyOptions) =>
      protect(protect(() => Response.json("in"), inner) as (request: Request) => Promise<Response>, options);
    const body = "x".repeat(50);
    const lax = clientOf(twice(options));
    expect((await lax.fetch(origin, { method: "POST", body })).status).toBe(200);
    const strict = clientOf(twice({ ...options, maxBodyBytes: 10 }));
    expect((await strict.fetch(origin, { method: "POST", body })).status).toBe(413);
  });
});

test("Hono's context has who called, under plain requests too", async () => {
  const app = new Hono();
  app.use("/api/*", verify(options));
  app.post("/api/orders", async (c) => c.json({ id: c.get("authMesh").deviceId, body: await c.req.json() }));
  app.get("/health", (c) => c.text("ok"));
  const client = clientOf((request) => app.request(request));
  const response = await client.fetch(`${origin}/api/orders`, { method: "POST", body: "[1]" });
  expect(await response.json()).toEqual({ id: caller.publicKey.deviceId, body: [1] });
  expect((await app.request(`${origin}/health`)).status).toBe(200);
  expect((await app.request(`${origin}/api/orders`, { method: "POST" })).status).toBe(400);
});

test("Hono's mount shortens the path, which pathPrefix puts back", async () => {
  const inner = (prefix?: string) => {
    const app = new Hono();
    app.use(verify(prefix === undefined ? options : { ...options, pathPrefix: prefix }));
    app.post("/orders", async (c) => c.json(await c.req.json()));
    return app;
  };
  const outer = new Hono().mount("/blind", inner().fetch).mount("/api", inner("/api").fetch);
  const open = new Hono().post("/orders", async (c) => c.json(await c.req.json()));
  const guarded = new Hono().use("/front/*", verify(options)).mount("/front", open.fetch);
  const post = async (app: Hono, path: string) => {
    const client = clientOf((request) => app.request(request));
    return (await client.fetch(origin + path, { method: "POST", body: "[1]" })).status;
  };
  expect([await post(outer, "/blind/orders"), await post(outer, "/api/orders")]).toEqual([401, 200]);
  expect(await post(guarded, "/front/orders")).toBe(200);
});
