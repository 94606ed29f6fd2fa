import { randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { createClient, type SignedInit, type VerifyOptions, verify } from "@authmesh/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { caddy, nginx, type RunningProxy } from "./fixtures/proxies.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();

interface Service {
  readonly host: string;
  /** Codes of what was refused. */
  readonly refused: string[];
  /** What arrived of what was let in. */
  readonly targets: (string | undefined)[];
  readonly connections: () => number;
}

/** A service behind the proxy; without an audience it compares with the Host that arrives. */
async function startService(options: VerifyOptions = {}): Promise<Service> {
  const refused: string[] = [];
  const targets: (string | undefined)[] = [];
  const guard = verify({
    allowList: new MemoryTrust().trust(caller),
    logger: silent,
    onDecision: (decision) => void (decision.allowed || refused.push(decision.failure.code)),
    ...options,
  });
  const { host, server } = await serve((request, response) =>
    guard(request, response, () => {
      const { rawBody = Buffer.alloc(0) } = request as IncomingMessage & { rawBody?: Buffer };
      targets.push(request.url);
      response.end(String(rawBody.length));
    }),
  );
  let connections = 0;
  server.on("connection", () => connections++);
  return { host, refused, targets, connections: () => connections };
}

interface ProxyKind {
  readonly name: string;
  /** Keeps the whole request. */
  readonly keeping: (upstream: string) => Promise<RunningProxy>;
  /** Writes a Host of its own, and the caller's into X-Forwarded-Host. */
  readonly renaming: (upstream: string) => Promise<RunningProxy>;
  /** Takes /api off the path, and decodes or merges nothing else of it that a test sends. */
  readonly stripping: (upstream: string) => Promise<RunningProxy>;
}

const inNginx = (location: string) => nginx(`client_max_body_size 2m; ${location}`, onTestFinished);
const proxies: readonly ProxyKind[] = [
  {
    name: "nginx",
    keeping: (up) =>
      inNginx(
        `location / { proxy_set_header Host $http_host; proxy_pass http://${up}; proxy_http_version 1.1; }`,
      ),
    renaming: (up) =>
      inNginx(
        `location / { proxy_set_header Host service.internal; proxy_set_header X-Forwarded-Host $http_host; proxy_pass http://${up}; }`,
      ),
    stripping: (up) =>
      inNginx(`location /api/ { proxy_set_header Host $http_host; proxy_pass http://${up}/; }`),
  },
  {
    name: "Caddy",
    keeping: (up) => caddy(`reverse_proxy ${up}`, onTestFinished),
    renaming: (up) => caddy(`reverse_proxy ${up} {\n header_up Host service.internal\n }`, onTestFinished),
    stripping: (up) => caddy(`handle_path /api/* {\n reverse_proxy ${up}\n }`, onTestFinished),
  },
];

/** Signs for a URL and sends to a proxy, by default the one that the URL names. */
const clientFor = (send = (url: string, init: SignedInit) => fetch(url, init as RequestInit)) =>
  createClient({ identity: caller, fetch: send });
const client = clientFor();
const statusOf = async (url: string, init?: RequestInit) => (await client.fetch(url, init)).status;

describe.each(proxies)("behind $name that keeps the request", ({ keeping }) => {
  test("paths arrive as they were sent, queries too", async () => {
    const service = await startService();
    const { url } = await keeping(service.host);
    const targets = [
      "/",
      "/api/a%2Fb%20c%7E%c3%a9/~user//double/",
      "/q?b=2&a=1&a=0&c=x%20y+z&d=%2B&e",
      "/p?next=http%3A%2F%2Fexample.com%2F%3Fa%3D1",
    ];
    for (const target of targets) expect(await statusOf(url + target), target).toBe(200);
    expect(service.targets).toEqual(targets);
  });

  test("a large body that it buffers, and one in chunks, arrive whole", async () => {
    const service = await startService();
    const { url, host } = await keeping(service.host);
    const body = randomBytes(1_000_000);
    const whole = await client.fetch(url, { method: "POST", body });
    expect([whole.status, await whole.text()]).toEqual([200, "1000000"]);
    const chunking = clientFor((_, init) => sendInChunks(host, init));
    const pieces = await chunking.fetch(`${url}/chunked`, { method: "PUT", body });
    expect([pieces.status, await pieces.text()]).toEqual([200, "1000000"]);
  });

  test("a body that was changed on the way to the proxy is refused", async () => {
    const service = await startService();
    const { url } = await keeping(service.host);
    const changing = clientFor((address, init) => fetch(address, { ...init, body: "other" } as RequestInit));
    expect((await changing.fetch(url, { method: "POST", body: "signed" })).status).toBe(401);
    expect(service.refused).toEqual(["signature_invalid"]);
  });
});

describe.each(proxies)("behind $name that writes a Host of its own", ({ renaming }) => {
  test("requests are refused, until the service's audience is the host of its callers", async () => {
    const trust = new MemoryTrust().trust(caller);
    const service = await startService({ allowList: trust });
    const { url, host } = await renaming(service.host);
    expect(await statusOf(url)).toBe(401);
    expect(service.refused).toEqual(["host_mismatch"]);
    trust.audience = [host];
    expect(await statusOf(url)).toBe(200);
  });

  test("trustProxy lets X-Forwarded-Host choose among several hosts", async () => {
    const trust = new MemoryTrust().trust(caller);
    const careless = await startService({ allowList: trust });
    const careful = await startService({ allowList: trust, trustProxy: true });
    const [first, second] = [await renaming(careless.host), await renaming(careful.host)];
    trust.audience = [first.host, second.host, "other.example.com"];
    for (const [proxy, expected] of [
      [first, 200],
      [second, 401],
    ] as const) {
      expect(await statusOf(proxy.url)).toBe(200);
      // Signed for one of its hosts and sent to another: only who reads X-Forwarded-Host sees that.
      const elsewhere = clientFor((_, init) => fetch(proxy.url, init as RequestInit));
      expect((await elsewhere.fetch("http://other.example.com/")).status).toBe(expected);
    }
  });
});

describe.each(proxies)("behind $name that strips a prefix", ({ stripping }) => {
  test("requests are refused, until the service is told of it", async () => {
    const service = await startService();
    const { url } = await stripping(service.host);
    expect(await statusOf(`${url}/api/orders?b=2&a=1`)).toBe(401);
    expect(service.refused).toEqual(["signature_invalid"]);
    const told = await startService({ pathPrefix: "/api" });
    const { url: again } = await stripping(told.host);
    for (const path of ["/api/orders?b=2&a=1", "/api/"]) expect(await statusOf(again + path), path).toBe(200);
    expect(await statusOf(`${again}/api/orders`, { method: "POST", body: '{"a":1}' })).toBe(200);
    expect(told.targets[0]).toBe("/orders?b=2&a=1");
  });
});

describe("behind nginx", () => {
  test("proxy_pass with a path decodes and merges what it forwards, which is refused", async () => {
    const service = await startService();
    const { url } = await inNginx(
      `location / { proxy_set_header Host $http_host; proxy_pass http://${service.host}/; }`,
    );
    expect(await statusOf(`${url}/plain/path`)).toBe(200);
    for (const path of ["/a%2Fb", "/a%7Eb", "/a//b"]) expect(await statusOf(url + path), path).toBe(401);
    expect(service.refused).toEqual(Array(3).fill("signature_invalid"));
  });

  test("merge_slashes off keeps double slashes also there", async () => {
    const service = await startService();
    const { url } = await inNginx(
      `merge_slashes off; location / { proxy_set_header Host $http_host; proxy_pass http://${service.host}/; }`,
    );
    expect(await statusOf(`${url}/a//b`)).toBe(200);
  });

  test("many requests share its connections to the service, each with a proof of its own", async () => {
    const service = await startService();
    const { url } = await nginx(
      "location / { proxy_set_header Host $http_host; proxy_set_header Connection ''; proxy_http_version 1.1; proxy_pass http://service; }",
      onTestFinished,
      `upstream service { server ${service.host}; keepalive 4; }`,
    );
    const kinds = [
      {},
      { method: "POST", body: "x".repeat(20_000) },
      { method: "DELETE" },
      { method: "HEAD" },
    ];
    for (let i = 0; i < 40; i++) expect(await statusOf(`${url}/${i}`, kinds[i % kinds.length])).toBe(200);
    expect(service.connections()).toBeLessThan(5);
  });

  test("a copy that it mirrors to a second instance is refused, where both share their memory", async () => {
    const [first, second] = [await startService(), await startService()];
    const { url } = await inNginx(
      `location / { proxy_set_header Host $http_host; mirror /copy; proxy_pass http://${first.host}; }
       location = /copy { internal; proxy_set_header Host $http_host; proxy_pass http://${second.host}$request_uri; }`,
    );
    await statusOf(`${url}/orders`);
    await expect.poll(() => [...first.refused, ...second.refused]).toEqual(["replay_detected"]);
  });
});

/** Without Content-Length, in pieces of 64 KiB. */
function sendInChunks(host: string, { method, headers, body }: SignedInit): Promise<Response> {
  const [hostname, port] = host.split(":") as [string, string];
  const bytes = Buffer.from(body as Uint8Array);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path: "/chunked", headers }, async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      resolve(new Response(Buffer.concat(parts), { status: response.statusCode ?? 0 }));
    });
    request.on("error", reject);
    for (let i = 0; i < bytes.length; i += 65_536) request.write(bytes.subarray(i, i + 65_536));
    request.end();
  });
}
