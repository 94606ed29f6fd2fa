import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ClaimsToMint, createEd25519Signer, mintToken, requestHashOf } from "@authmesh/oath";
import { type Client, createClient } from "@authmesh/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machines, type Program } from "../../scripts/machines.js";
import { example } from "../fixtures/example-server.js";
import { freePort } from "../fixtures/free-port.js";

const machines = new Machines();
const folder = example("nextjs");
const next = join(folder, "node_modules/next/dist/bin/next");
const env = { NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" };
let server: Program;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let url: string;
let client: Client;
let stranger: Client;

/** Publishes the key that tokens of the tests are minted with. */
async function startIssuer() {
  const signer = createEd25519Signer(randomBytes(32));
  const jwks = JSON.stringify({ keys: [signer.publicJwk] });
  const server = createServer((_request, response) => response.end(jwks)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { signer, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

beforeAll(async () => {
  const nobody = { ...process.env, ...env, AUTH_MESH_DIR: join(machines.folder, "nobody") };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [next, "build"], {
    cwd: folder,
    env: nobody,
  });
  // A machine that builds has no identity, and none is looked for.
  expect(stdout + stderr).not.toContain("amesh:");
  await machines.startRelay();
  await machines.run("called", "init", "--name", "the called service");
  await machines.run("calling", "init", "--name", "the calling service", "--backend", "encrypted-file");
  await machines.run("stranger", "init", "--name", "a stranger", "--backend", "encrypted-file");
  await machines.pair("calling", "called");
  issuer = await startIssuer();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  server = machines.start([next, "start", "-H", "127.0.0.1", "-p", String(port)], {
    machine: "called",
    cwd: folder,
    env: { ...env, AMESH_AUDIENCE: `127.0.0.1:${port}`, AMESH_ISSUER: issuer.url },
  });
  await server.line((line) => (line.includes("Ready in") ? line : undefined));
  // Next.js listens before it has run instrumentation.ts; what it answers comes after.
  expect((await fetch(url)).status).toBe(404);
  client = createClient({ dir: machines.dir("calling") });
  stranger = createClient({ dir: machines.dir("stranger") });
}, 600_000);

afterAll(async () => {
  issuer?.server.close();
  await Promise.all([client?.close(), stranger?.close(), machines.close()]);
});

const post = (path: string, body: string, type = "application/json") =>
  client.fetch(url + path, { method: "POST", body, headers: { "Content-Type": type } });

describe("API routes of the Pages Router", () => {
  test("are verified with Next's body parser in front, however JSON is written", async () => {
    const body = '{ "amount" : 1.0,\n"name":"\\u00e9" }';
    const response = await post("/api/hooks", body);
    expect([response.status, await response.json()]).toEqual([
      200,
      { from: "the calling service", body: { amount: 1, name: "é" } },
    ]);
    const form = await post("/api/hooks", "a=1&b=%20", "application/x-www-form-urlencoded");
    expect(await form.json()).toMatchObject({ body: { a: "1", b: " " } });
  });

  test("are verified without it", async () => {
    const response = await post("/api/files", "x".repeat(300_000), "application/octet-stream");
    expect(await response.json()).toEqual({ from: "the calling service", bytes: 300_000 });
  });

  test("do not run for a stranger, and not for nobody", async () => {
    const refused = await stranger.fetch(`${url}/api/files`, { method: "POST", body: "x" });
    expect([refused.status, await refused.text()]).toEqual([401, '{"error":"unauthorized"}']);
    const bare = await fetch(`${url}/api/hooks`, { method: "POST" });
    expect([bare.status, await bare.text()]).toEqual([400, '{"error":"missing_header"}']);
    expect(bare.headers.get("authmesh-decision")).toEqual(expect.any(String));
  });
});

describe("route handlers of the App Router", () => {
  test("are verified, read the body, and get their context", async () => {
    const response = await post("/api/orders?b=2&a=%20x", '{ "amount": 100 }');
    expect(await response.json()).toEqual({ from: "the calling service", order: { amount: 100 } });
    const order = await client.fetch(`${url}/api/orders/a%2Fb`);
    expect(await order.json()).toEqual({ from: "the calling service", order: "a/b" });
  });

  test("are asked afresh each time", async () => {
    const first = await client.fetch(`${url}/api/orders`);
    expect([first.status, await first.json()]).toEqual([200, { to: "the calling service", orders: [] }]);
    expect((await fetch(`${url}/api/orders`)).status).toBe(400);
    expect((await stranger.fetch(`${url}/api/orders`)).status).toBe(401);
  });

  test("take a request once", async () => {
    const copies: (() => Promise<Response>)[] = [];
    const recorder = createClient({
      dir: machines.dir("calling"),
      fetch: async (address, init) => {
        copies.push(() => fetch(address, init as unknown as RequestInit));
        return new Response();
      },
    });
    await recorder.fetch(`${url}/api/orders`);
    const [send] = copies;
    expect([(await send?.())?.status, (await send?.())?.status]).toEqual([200, 401]);
    await recorder.close();
  });
});

describe("proxy.ts", () => {
  test("lets a trusted device through, and the page knows who called", async () => {
    const response = await client.fetch(`${url}/inside/home`);
    expect(response.status).toBe(200);
    expect((await response.text()).replaceAll("<!-- -->", "")).toContain("home for the calling service");
  });

  test("lets nobody else through, and believes no header of a caller's own", async () => {
    expect((await fetch(`${url}/inside/home`)).status).toBe(400);
    expect((await stranger.fetch(`${url}/inside/home`)).status).toBe(401);
    const claim = Buffer.from('{"friendlyName":"admin","verifiedAt":9999999999}').toString("base64url");
    const response = await client.fetch(`${url}/inside/home`, {
      headers: { "authmesh-caller": `${claim}.${"A".repeat(43)}` },
    });
    expect((await response.text()).replaceAll("<!-- -->", "")).toContain("for the calling service");
  });

  test("is not passed by other spellings of a path", async () => {
    for (const path of [
      "/inside/%68ome",
      "//inside/home",
      "/./inside/home",
      "/inside/home/",
      "/INSIDE/home",
    ]) {
      expect(await rawStatus(path), path).not.toBe(200);
    }
  });
});

/** Sends the path as it stands. */
function rawStatus(path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

describe("tokens", () => {
  const claims = { sub: "svc://billing/worker", aud: "orders", act: "orders.write" };
  const call = async (path: string, method: string, asked: Partial<ClaimsToMint> = {}) => {
    const { token } = await mintToken({ ...claims, ...asked }, { issuer: issuer.url, signer: issuer.signer });
    return () =>
      fetch(url + path, {
        method,
        headers: { Authorization: `OathMesh ${token}` },
        body: method === "POST" ? "{}" : null,
      });
  };

  test("let a request into a route handler, once, and for its action alone", async () => {
    const send = await call("/api/tokens", "POST");
    const response = await send();
    expect([response.status, await response.json()]).toEqual([200, { by: claims.sub, order: {} }]);
    expect((await send()).status).toBe(401);
    const other = await (await call("/api/tokens", "POST", { act: "orders.read" }))();
    expect([other.status, await other.json()]).toMatchObject([403, { error: "action_mismatch" }]);
    const denied = await (await call("/api/tokens", "POST", { act: "invoices.write" }))();
    expect([denied.status, await denied.json()]).toMatchObject([403, { error: "policy_denied" }]);
  });

  test("are verified on the edge", async () => {
    const rqh = requestHashOf({ method: "GET", url: new URL("/api/edge", url) });
    const response = await (await call("/api/edge", "GET", { rqh }))();
    expect([response.status, await response.json()]).toEqual([200, { by: claims.sub }]);
    const unbound = await (await call("/api/edge", "GET"))();
    expect([unbound.status, await unbound.json()]).toMatchObject([
      401,
      { error: "binding_required", step: 12 },
    ]);
    const bare = await fetch(`${url}/api/edge`);
    expect(bare.headers.get("www-authenticate")).toBe('OathMesh error="claim_missing:token"');
  });
});
