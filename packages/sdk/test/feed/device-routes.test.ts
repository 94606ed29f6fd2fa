import type { AuditEvent, Decision } from "@authmesh/core";
import { createClient, requireAction, requireScope, type VerifyOptions, verify } from "@authmesh/sdk";
import { protect, requireScope as requireScopeOfFetch } from "@authmesh/sdk/fetch";
import { requireScope as requireScopeOfHono, verify as verifyHono } from "@authmesh/sdk/hono";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "../fixtures/pair.js";
import { serve } from "../fixtures/servers.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });
const allowList = new MemoryTrust().trust(caller, { scopes: { orders: "r", "*": "rw" } });

function scene(options: VerifyOptions = {}) {
  const decisions: Decision[] = [];
  const events: AuditEvent[] = [];
  const guarded: VerifyOptions = {
    allowList,
    logger: silent,
    audit: { write: async (written) => void events.push(...written) },
    onDecision: (decision) => void decisions.push(decision),
    ...options,
  };
  return { decisions, events, guarded };
}

async function call(route: ReturnType<typeof requireScope>, options: VerifyOptions) {
  const admit = verify(options);
  const { url } = await serve((request, response) =>
    admit(request, response, () => route(request, response, () => response.end("in"))),
  );
  return client.fetch(`${url}/orders`);
}

describe("a route behind a verifier of devices", () => {
  it.each([
    ["orders:r", 200],
    ["orders:w", 403],
    ["profile:w", 200],
    ["__manage:r", 403],
    ["orders.archive:w", 403],
  ])("that requires %s answers %i", async (scope, status) => {
    expect((await call(requireScope(scope), scene().guarded)).status).toBe(status);
  });

  it("takes down whom it refused, as the verifier does", async () => {
    const { decisions, events, guarded } = scene();
    const response = await call(requireScope("orders:w"), guarded);
    expect(await response.json()).toMatchObject({ error: "scope_missing" });
    const [allowed, refused] = decisions;
    expect(refused).toMatchObject({
      allowed: false,
      step: "route",
      after: allowed?.id,
      caller: { id: caller.publicKey.deviceId },
      failure: { code: "scope_missing" },
    });
    await expect.poll(() => events.map(({ type }) => type.split(".").at(-1))).toEqual(["allowed", "refused"]);
  });

  it("lets no device pass by an action, which is a token's", async () => {
    expect((await call(requireAction("orders.list"), scene().guarded)).status).toBe(403);
  });

  it("lets nobody pass whom no verifier let in", async () => {
    const route = requireScope("profile:r");
    const { url } = await serve((request, response) => {
      Object.assign(request, { authMesh: { deviceId: "am_x", scopes: { profile: "rw" } } });
      route(request, response, () => response.end("in"));
    });
    expect((await fetch(url)).status).toBe(500);
  });

  it("asks the same in a handler of the Fetch standard, and under Hono", async () => {
    const { guarded } = scene();
    const handler = protect(
      (request) => requireScopeOfFetch(request.authMesh, "orders:w") ?? new Response("in"),
      guarded,
    );
    const app = new Hono();
    app.use(verifyHono(guarded));
    app.get("/read", requireScopeOfHono("orders:r"), (context) => context.text("in"));
    app.get("/write", requireScopeOfHono("orders:w"), (context) => context.text("in"));
    const signed = async (path: string) => {
      const url = `https://api.example.com${path}`;
      return new Request(url, { headers: { host: "api.example.com", ...(await client.headers(url)) } });
    };
    expect((await handler(await signed("/"))).status).toBe(403);
    expect((await app.request(await signed("/read"))).status).toBe(200);
    expect((await app.request(await signed("/write"))).status).toBe(403);
  });
});
