import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AllowList, addDevice, createIdentity, openIdentity, revokeDevice } from "@authmesh/keystore";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { makeCertificate } from "../../../test/fixtures/certificates.js";
import type { GatewaySettings } from "../src/config/settings.js";
import { createGateway, type GatewayAddress } from "../src/create-gateway.js";
import { makeDevice, silent, startIssuer } from "./fixtures/callers.js";
import { expected, listening, tellWhatCame } from "./fixtures/served.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "amesh-gateway-whole-"));
const identity = join(folder, "server");
const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
const device = makeDevice();
const atEnd: (() => void)[] = [];
let tokens: Awaited<ReturnType<typeof startIssuer>>;

const certify = (subject: string) => makeCertificate({ cert, key }, { subject, names: ["IP:127.0.0.1"] });

const trust = (list: AllowList) =>
  list.update((draft) =>
    addDevice(draft, {
      publicKey: device.publicKey,
      friendlyName: "till 1",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: true,
      scopes: { orders: "rw" },
      acceptRevoked: true,
      now: 1_800_000_000,
    }),
  );

beforeAll(async () => {
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
  await createIdentity({ dir: identity, env, friendlyName: "server", argon2 });
  const server = await openIdentity({ dir: identity, env });
  const list = await server.openAllowList();
  await trust(list);
  tokens = await startIssuer((end) => atEnd.push(end));
  await certify("first");
});

afterAll(() => {
  vi.unstubAllEnvs();
  for (const end of atEnd) end();
  rmSync(folder, { recursive: true });
});

/** A gateway with everything real, before a service. */
async function open(
  given: Partial<GatewaySettings> = {},
  listener: RequestListener = tellWhatCame,
): Promise<{
  readonly gateway: Awaited<ReturnType<typeof createGateway>>;
  readonly settings: GatewaySettings;
  readonly address: GatewayAddress;
  readonly url: string;
  readonly port: number;
}> {
  const service = createServer(listener);
  const url = new URL(`http://127.0.0.1:${await listening(service)}`);
  const base = settingsOf();
  const free = createServer();
  const port = await listening(free);
  await new Promise((resolve) => free.close(resolve));
  const settings: GatewaySettings = {
    ...base,
    listen: { host: "127.0.0.1", port, tls: undefined },
    verification: {
      ...base.verification,
      audience: [`127.0.0.1:${port}`],
      identity,
      tokens: { issuers: tokens.issuer, audience: "orders", policy: "none", replayScope: "gateway" },
    },
    upstreams: [
      {
        name: "service",
        urls: [url],
        host: "caller",
        maxConnections: 64,
        connectTimeoutMs: 5000,
        health: undefined,
        ca: undefined,
      },
    ],
    routes: [
      routeOf({ accept: new Set(["device", "http-signature", "token"]), bodyBytes: 20_000_000 }),
      routeOf({ name: "open", path: "/open", public: true, bodyBytes: 100_000 }),
    ],
    ...given,
    ...(given.listen === undefined ? {} : { listen: { ...given.listen, port } }),
  };
  const gateway = await createGateway(settings, { logger: silent });
  onTestFinished(async () => {
    await gateway.close();
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
  });
  const address = await gateway.listen();
  return { gateway, settings, address, url: address.url, port };
}

const { client } = device;
const fds = () => readdirSync("/proc/self/fd").length;
const tls = { cert, key, clientCa: undefined, requireClientCert: false };
const overTls = { host: "127.0.0.1", port: 0, tls };

describe("a gateway", () => {
  it("lets a device in, and tells the service who it is", async () => {
    const { url } = await open();
    const spoofed = { "X-AuthMesh-Subject": "root", x_authmesh_subject: "root" };
    const response = await client.fetch(`${url}/orders?b=2`, { headers: spoofed });
    expect(response.status).toBe(200);
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    expect(headers).toMatchObject({
      "x-authmesh-subject": device.publicKey.deviceId,
      "x-authmesh-kind": "device",
      "x-authmesh-name": "till 1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
    });
    expect(headers).not.toHaveProperty("authorization");
    expect(headers).not.toHaveProperty("x_authmesh_subject");
  });

  it("sends a signed body of 10 MB on once all of it was verified, and leaves no file", async () => {
    const { url } = await open();
    let before = 0;
    for (let i = 0; i < 4; i++) {
      if (i === 1) before = fds(); // with the connections that are kept
      const response = await client.fetch(`${url}/orders`, { method: "POST", body: randomBytes(10_000_000) });
      expect(await response.json()).toMatchObject({ bytes: 10_000_000 });
    }
    await vi.waitFor(() => expect(fds()).toBeLessThanOrEqual(before + 2));
  });

  it("lets a token in", async () => {
    const { url } = await open();
    const authorization = `OathMesh ${await tokens.mint()}`;
    const response = await fetch(`${url}/orders`, { headers: { authorization } });
    expect(await response.json()).toMatchObject({
      headers: { "x-authmesh-subject": "svc://billing/worker", "x-authmesh-issuer": tokens.issuer },
    });
    expect((await fetch(`${url}/orders`, { headers: { authorization } })).status).toBe(401);
  });

  it("refuses who proves nothing, and answers nothing of its upstream", async () => {
    let asked = 0;
    const { url } = await open({}, () => asked++);
    const response = await fetch(`${url}/orders`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: "missing_header" });
    expect(response.headers.get("authmesh-decision")).toMatch(/^[\w-]{16}$/);
    expect(asked).toBe(0);
  });

  it("speaks HTTP/2 and HTTP/1.1 over TLS", async () => {
    const { url, port } = await open({ listen: overTls });
    const session = connectHttp2(url, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const headers = await client.headers(new URL(`${url}/orders`), { method: "POST", body: "hello" });
    const proof = { ":path": "/orders", ":method": "POST", ...headers, cookie: ["a=1", "b=2"] };
    const { status, body } = await askHttp2(session, proof, "hello");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      bytes: 5,
      headers: {
        host: `127.0.0.1:${port}`,
        cookie: "a=1; b=2",
        "x-authmesh-kind": "device",
        "x-forwarded-proto": "https",
      },
    });
    const again = await askHttp2(session, proof, "hello");
    expect(again.status).toBe(401);
    const other = await askHttp2(session, { ":path": "/open/../orders" });
    expect(other).toMatchObject({ status: 400, body: expect.stringContaining("ambiguous_request") });
    const { stdout } = await run("curl", ["-sk", "--http1.1", "-w", "%{http_version}", `${url}/open`]);
    expect(stdout).toMatch(/"url":"\/open".*1\.1$/);
  });

  it("asks for a client certificate where it has authorities for them", async () => {
    const { url } = await open({
      listen: { ...overTls, tls: { ...tls, clientCa: cert, requireClientCert: true } },
    });
    await expect(run("curl", ["-sk", `${url}/open`])).rejects.toMatchObject({ code: expect.any(Number) });
    const { stdout } = await run("curl", ["-sk", "--cert", cert, "--key", key, `${url}/open`]);
    expect(stdout).toMatch(/"url":"\/open"/);
  });

  it("does not start with a certificate that cannot be used", async () => {
    const none = { ...tls, key: "/nowhere/key.pem" };
    await expect(open({ listen: { ...overTls, tls: none } })).rejects.toMatchObject({
      code: "gateway_cannot_listen",
      message: expect.stringContaining("ENOENT"),
    });
  });

  it("does not start where something else listens", async () => {
    const { settings } = await open();
    const other = await createGateway(settings, { logger: silent });
    onTestFinished(() => other.close());
    await expect(other.listen()).rejects.toMatchObject({ code: "gateway_cannot_listen" });
  });
});

function askHttp2(session: ClientHttp2Session, headers: Record<string, string | string[]>, body?: string) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    let status = 0;
    let text = "";
    stream.setEncoding("utf8");
    stream.on("response", (answer) => {
      status = Number(answer[":status"]);
    });
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    stream.on("end", () => resolve({ status, body: text })).on("error", reject);
  });
}

describe("a caller that waits for 100 Continue", () => {
  it("is told to go on where its head is good, and not where it is refused", async () => {
    const { url } = await open();
    const data = join(folder, "data");
    writeFileSync(data, "x".repeat(50_000));
    const curl = (target: string) =>
      run("curl", [
        "-sv",
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "20",
        "-d",
        `@${data}`,
        target,
      ]);
    const good = await curl(`${url}/open`);
    expect(good.stderr).toMatch(/< HTTP\/1\.1 100 Continue[\s\S]*< HTTP\/1\.1 200/);
    expect(good.stdout).toMatch(/"bytes":50000/);
    const refused = await curl(`${url}/orders`);
    expect(refused.stderr).toMatch(/< HTTP\/1\.1 400/);
    expect(refused.stderr).not.toMatch(/100 Continue/);
    writeFileSync(data, "x".repeat(200_000));
    const tooMuch = await curl(`${url}/open`);
    expect(tooMuch.stderr).toMatch(/< HTTP\/1\.1 413/);
    expect(tooMuch.stderr).not.toMatch(/100 Continue/);
  });

  it("of something else gets a 417", async () => {
    const { url } = await open();
    const { stdout } = await run("curl", ["-s", "-H", "Expect: tea", "-w", "%{http_code}", `${url}/open`]);
    expect(stdout).toBe("417");
  });
});

describe("an answer that goes on", () => {
  const events: RequestListener = (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write("data: 1\n\n");
  };
  const endless = [routeOf({ accept: new Set(["device", "token"]), idleTimeoutMs: 0, answerTimeoutMs: 1 })];

  it("ends when its device is revoked", async () => {
    const { url } = await open({ routes: endless }, events);
    const list = await (await openIdentity({ dir: identity, env })).openAllowList();
    const answer = await fetch(`${url}/events`, { headers: await client.headers(new URL(`${url}/events`)) });
    const reader = answer.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 1\n\n");
    const { deviceId } = device.publicKey;
    await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_800_000_000 }));
    await expect(reader?.read()).rejects.toThrow("terminated");
    await trust(list);
  });

  it("ends when its token does", async () => {
    const { url } = await open({ routes: endless }, events);
    const headers = { authorization: `OathMesh ${await tokens.mint({}, Date.now, 1)}` };
    const answer = await fetch(`${url}/events`, { headers });
    const reader = answer.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await expect(reader?.read()).rejects.toThrow("terminated");
  });
});

describe("what ends early", () => {
  it("is a streamed body beyond its limit", async () => {
    const { url } = await open();
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(60_000));
      },
    });
    const init = { method: "POST", body, duplex: "half" } as const;
    expect((await fetch(`${url}/open`, init)).status).toBe(413);
  });

  it("for the service where the caller leaves", async () => {
    const arrived = expected<IncomingMessage>();
    const { port } = await open({}, (request) => arrived.come(request));
    const socket = connect(port, "127.0.0.1");
    socket.write(
      "POST /open HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    );
    const request = await arrived.came;
    request.on("error", () => {});
    const left = new Promise((resolve) => request.once("close", resolve));
    socket.destroy();
    await left;
    expect(request.complete).toBe(false);
  });

  it("for the caller where the service leaves", async () => {
    const { port } = await open({}, (_, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("hello", () => response.destroy());
    });
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /open HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let text = "";
    await (async () => {
      for await (const chunk of socket) text += chunk;
    })().catch(() => {});
    expect(text).toMatch(/hello$/);
  });

  it("is a verified body whose caller leaves, and nothing of it stays", async () => {
    const { port, url } = await open();
    const proof = await client.headers(new URL(`${url}/orders`), { method: "POST", body: "x" });
    const fields = Object.entries(proof)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    const before = fds();
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        const head = `POST /orders HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields}Content-Length: 1000000\r\n\r\n`;
        await new Promise((resolve) => socket.write(head + "x".repeat(500_000), resolve));
        return socket;
      }),
    );
    await vi.waitFor(() => expect(fds()).toBeGreaterThanOrEqual(before + 60)); // two ends and a file each
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(() => expect(fds()).toBeLessThanOrEqual(before));
    expect(
      readdirSync(tmpdir())
        .filter((name) => name.startsWith("amesh-spool-"))
        .flatMap((name) => readdirSync(join(tmpdir(), name))),
    ).toEqual([]);
  });
});

describe("a gateway that changes or ends", () => {
  it("finishes what it began, with other settings for what comes then, and knows the nonces of before", async () => {
    const waiting = expected<() => void>();
    const { gateway, settings, url } = await open({}, (request, response) => {
      if (request.url === "/slow") waiting.come(() => response.end("late"));
      else tellWhatCame(request, response);
    });
    const proof = await client.headers(new URL(`${url}/orders`), { method: "GET" });
    expect((await fetch(`${url}/orders`, { headers: proof })).status).toBe(200);
    const slow = client.fetch(`${url}/slow`);
    const answer = await waiting.came;
    await gateway.reload({ ...settings, routes: settings.routes.slice(0, 1) });
    expect((await fetch(`${url}/open`)).status).toBe(400);
    expect((await fetch(`${url}/orders`, { headers: proof })).status).toBe(401);
    answer();
    expect(await (await slow).text()).toBe("late");
  });

  it("keeps what it had where other settings cannot be used", async () => {
    const { gateway, settings, url } = await open();
    const context = { ...settings.context, token: { ...settings.context.token, keyFile: "/nowhere" } };
    await expect(gateway.reload({ ...settings, context })).rejects.toThrow(/nowhere/);
    expect((await fetch(`${url}/open`)).status).toBe(200);
  });

  it("lets requests under way finish, each as the last one on its connection, and then is gone", async () => {
    const waiting = expected<() => void>();
    const { gateway, port } = await open({}, (_, response) => waiting.come(() => response.end("late")));
    const asked = httpRequest({
      port,
      path: "/open",
      agent: false,
      headers: { connection: "keep-alive" },
    }).end();
    const answer = await waiting.came;
    const idle = connect(port, "127.0.0.1");
    await once(idle, "connect");
    const closed = gateway.close();
    await once(idle.resume(), "close");
    answer();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    expect(response.headers.connection).toBe("close");
    response.resume();
    await closed;
    await expect(fetch(`http://127.0.0.1:${port}/open`)).rejects.toThrow();
  });

  it("waits no longer than it is told to", async () => {
    const arrived = expected<void>();
    const { gateway, url } = await open({ drainSeconds: 0.05 }, () => arrived.come());
    const asked = fetch(`${url}/open`).catch(() => "cut off");
    await arrived.came;
    await gateway.close();
    expect(await asked).toBe("cut off");
  });
});

describe("the admin port", () => {
  const watched = { admin: { host: "127.0.0.1", port: 0 } };

  const told = (of: GatewayAddress) => (path: string) => fetch(`http://127.0.0.1:${of.adminPort}${path}`);

  it("counts what became of requests, by route and by code", async () => {
    const { url, address } = await open(watched);
    await client.fetch(`${url}/orders`);
    await fetch(`${url}/orders`);
    await fetch(`${url}/a//b`);
    const ask = told(address);
    await expect
      .poll(async () => (await (await ask("/metrics")).text()).split("\n"))
      .toEqual(
        expect.arrayContaining([
          'amesh_gateway_requests_total{route="/*",outcome="2xx"} 1',
          'amesh_gateway_requests_total{route="/*",outcome="4xx"} 1',
          'amesh_gateway_requests_total{route="",outcome="4xx"} 1',
          'amesh_gateway_refusals_total{code="missing_header"} 1',
          'amesh_gateway_refusals_total{code="ambiguous_request"} 1',
          'amesh_gateway_upstream_seconds_count{route="/*"} 1',
          "amesh_gateway_in_flight 0",
        ]),
      );
    expect(await (await ask("/.well-known/jwks.json")).json()).toMatchObject({ keys: [{ crv: "P-256" }] });
  });

  it("counts upstreams that fail, and configurations", async () => {
    const { url, address, gateway, settings } = await open(watched, (request) => request.socket.destroy());
    expect((await fetch(`${url}/open`)).status).toBe(502);
    const context = { ...settings.context, token: { ...settings.context.token, keyFile: "/nowhere" } };
    await expect(gateway.reload({ ...settings, context })).rejects.toThrow();
    await gateway.reload(settings);
    const ask = told(address);
    const text = await (await ask("/metrics")).text();
    expect(text).toContain('amesh_gateway_refusals_total{code="upstream_unreachable"} 1');
    expect(text).toContain('amesh_gateway_config_reloads_total{result="refused"} 1');
    expect(text).toContain('amesh_gateway_config_reloads_total{result="taken"} 1');
  });

  it("says until the end that the gateway is draining, and who cannot be let in", async () => {
    const waiting = expected<() => void>();
    const listener: RequestListener = (_, response) => waiting.come(() => response.end("late"));
    const { url, address, gateway } = await open(watched, listener);
    const ask = told(address);
    expect((await ask("/ready")).status).toBe(200);
    const asked = fetch(`${url}/open`);
    const answer = await waiting.came;
    const closed = gateway.close();
    const ready = await ask("/ready");
    expect([ready.status, await ready.json()]).toEqual([503, { status: "not_ready", reason: "draining" }]);
    answer();
    expect(await (await asked).text()).toBe("late");
    await closed;
    await expect(ask("/health")).rejects.toThrow();
  });

  it("keeps a gateway from starting where something else listens", async () => {
    const taken = createServer();
    const port = await listening(taken);
    onTestFinished(() => void taken.close());
    await expect(open({ admin: { host: "127.0.0.1", port } })).rejects.toMatchObject({
      code: "gateway_cannot_listen",
    });
  });
});
