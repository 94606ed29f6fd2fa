import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type ClaimsToMint, createEd25519Signer, mintToken } from "@authmesh/oath";
import { verify } from "@authmesh/sdk";
import express from "express";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Machines } from "../scripts/machines.js";
import { example, startExample } from "./fixtures/example-server.js";

const machines = new Machines();
const signer = createEd25519Signer(randomBytes(32));
const server = createServer();
let issuer: string;
let api: Awaited<ReturnType<typeof startExample>>;

/** Knows the calling machine, and mints what it asks for. */
beforeAll(async () => {
  await machines.startRelay();
  await machines.run("authority", "init", "--name", "the authority", "--backend", "encrypted-file");
  await machines.run("calling", "init", "--name", "the calling service", "--backend", "encrypted-file");
  await machines.pair("calling", "authority");
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  issuer = `http://${host}`;
  const app = express();
  app.get("/.well-known/jwks.json", (_request, response) => response.json({ keys: [signer.publicJwk] }));
  app.use(verify({ allowList: machines.dir("authority"), audience: host }), express.json());
  app.post("/v1/token", async (request, response) => {
    const asked = request.body as ClaimsToMint;
    const sub = `svc://device/${request.authMesh.deviceId}`;
    const { token } = await mintToken({ ...asked, sub }, { issuer, signer });
    response.json({ token, expires_in: 120 });
  });
  server.on("request", app);
  api = await startExample(machines, "token-api/server.js", "api", { AMESH_ISSUER: issuer });
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await machines.close();
});

/** What the client of the example prints. */
async function call(...args: string[]): Promise<{ status: number | null; output: string }> {
  const env = { AMESH_ISSUER: issuer };
  const program = machines.start([example("token-api/client.js"), api.url, ...args], {
    machine: "calling",
    env,
  });
  return { status: await program.ended, output: program.lines.join("\n") };
}

test("a machine that the authority knows calls an API that knows no machine", async () => {
  const { status, output } = await call();
  expect(output).toMatch(
    /^200 .*"message":"Accepted!","by":"svc:\/\/device\/am_[\w-]{16}","action":"orders.write"/,
  );
  expect(output).toContain('"rule":"devices-order","order":{"amount":100}');
  expect(status).toBe(0);
});

test("a denied call is told the step and what mends it", async () => {
  const route = await call("orders.read");
  expect(route.output).toMatch(/^403 .*"error":"action_mismatch","step":14,"fix":"Obtain a token/);
  expect(route.status).toBe(1);
  const policy = await call("orders.delete");
  expect(policy.output).toMatch(/^403 .*"error":"policy_denied","step":14/);
});

test("whoever has no token is told so, and health is open", async () => {
  const bare = await fetch(`${api.url}/api/orders`);
  expect([bare.status, await bare.json()]).toMatchObject([401, { error: "claim_missing:token", step: 1 }]);
  expect((await fetch(`${api.url}/health`)).status).toBe(200);
});

test("while the authority is away, the API goes on", async () => {
  const { token } = await mintToken(
    { sub: "job://ci/deploy", aud: "orders", act: "orders.write" },
    { issuer, signer },
  );
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const headers = { Authorization: `OathMesh ${token}`, "Content-Type": "application/json" };
  const response = await fetch(`${api.url}/api/orders`, { method: "POST", headers, body: "{}" });
  expect([response.status, await response.json()]).toMatchObject([200, { rule: "jobs-order" }]);
});
