import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGatewayMetrics } from "../src/admin/gateway-metrics.js";
import { GatewayServer } from "../src/inbound/gateway-server.js";
import type { Passages } from "../src/inbound/passages.js";
import { expected, raw, readsBodies, type Served, serve, silent, tellWhatCame } from "./fixtures/served.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const sha256 = (body: Uint8Array | string) => createHash("sha256").update(body).digest("hex");

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

describe("a request", () => {
  it("comes to the service with its body, its path and its host", async () => {
    served = await serve();
    const response = await fetch(`${served.url}/orders?page=2`, { method: "POST", body: "hello" });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      method: "POST",
      url: "/orders?page=2",
      bytes: 5,
      headers: { host: `127.0.0.1:${served.port}`, "x-forwarded-for": "127.0.0.1" },
    });
  });

  it("is refused with what was found where it could be read in two ways, and its connection ends", async () => {
    served = await serve();
    const answer = await raw(served.port, "GET /a//b HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toMatch(/\r\nauthmesh-decision: /i);
    expect(answer).toMatch(/"error":"ambiguous_request"/);
  });

  it("that is none is answered once", async () => {
    served = await serve();
    const answer = await raw(served.port, "GET / HTTP/1.1\r\nHost : a.example\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(answer).toMatch(/ambiguous_request/);
  });

  it("with too many headers, or too long ones, gets a 431", async () => {
    served = await serve();
    const many = Array.from({ length: 101 }, (_, i) => `X-${i}: 1\r\n`).join("");
    const head = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    expect(await raw(served.port, `${head}${many}\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await raw(served.port, `${head}X: ${"x".repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("for which there is no route, or none for its method, is told so", async () => {
    served = await serve({ routes: [routeOf({ path: "/api", methods: ["PUT", "GET"] })] });
    const none = await fetch(`${served.url}/other`);
    expect(none.status).toBe(404);
    expect(await none.json()).toMatchObject({ error: "no_route" });
    const other = await fetch(`${served.url}/api/x`, { method: "DELETE" });
    expect(other.status).toBe(405);
    expect(other.headers.get("allow")).toBe("GET, PUT");
    expect(await other.json()).toMatchObject({ error: "method_not_routed" });
  });

  it("that asks for h2c is answered as if it had not, with its body, and as the last one on its connection", async () => {
    served = await serve();
    const offer =
      "Host: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    const next = "GET /b HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const post = await raw(served.port, `POST /a HTTP/1.1\r\n${offer}Content-Length: 5\r\n\r\nhello${next}`);
    expect(post).toMatch(/\r\nconnection: close\r\n[\s\S]*"url":"\/a".*"bytes":5/i);
    expect(await raw(served.port, `GET /a HTTP/1.1\r\n${offer}\r\n${next}`)).toMatch(/"url":"\/a"/);
  });

  it("of CONNECT or TRACE is refused", async () => {
    served = await serve();
    const connecting = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n";
    expect(await raw(served.port, connecting)).toMatch(/^HTTP\/1\.1 400 [\s\S]*ambiguous_request/);
    const trace = "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    expect(await raw(served.port, trace)).toMatch(/^HTTP\/1\.1 400 [\s\S]*ambiguous_request/);
  });

  it("gets its own answer when it is pipelined, and keeps its connection", async () => {
    served = await serve();
    const requests = [..."abcdefgh"].map(
      (name, i) =>
        `GET /${name} HTTP/1.1\r\nHost: a.example\r\n${i === 7 ? "Connection: close\r\n" : ""}\r\n`,
    );
    const answers = await raw(served.port, requests.join(""));
    expect([...answers.matchAll(/"url":"\/(.)"/g)].map(([, name]) => name).join("")).toBe("abcdefgh");
  });

  it("begins when those before it on its connection are over, and never when that has ended", async () => {
    const asked: (string | undefined)[] = [];
    const service = createServer(({ url }) => asked.push(url)); // answers nobody
    served = await serve({ drainSeconds: 0 }, { service });
    const socket = connect(served.port, "127.0.0.1");
    socket.write("GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    await once(service, "request");
    expect(served.gateway.underWay).toBe(1);
    socket.destroy();
    await served.close();
    served = undefined;
    expect(asked).toEqual(["/1"]);
  });

  it("is one of a hundred on its connection, or the connection ends", async () => {
    const service = createServer(() => {});
    served = await serve({ drainSeconds: 0 }, { service });
    const many = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(150);
    expect(await raw(served.port, many)).toBe("");
  });
});

describe("a body that is verified first", () => {
  const post = (url: string, body: Uint8Array<ArrayBuffer>, hash = sha256(body)) =>
    fetch(url, { method: "POST", body, headers: { "x-hash": hash } });

  it.each([0, 5, 65_536, 65_537, 10_000_000])("of %i bytes comes whole", async (bytes) => {
    served = await serve({ routes: [routeOf({ bodyBytes: 20_000_000 })] });
    const response = await post(served.url, randomBytes(bytes));
    expect(await response.json()).toMatchObject({ bytes });
    expect(served.gateway.spoolBytes).toBe(0);
  });

  it("reaches nobody when it is another", async () => {
    let asked = 0;
    served = await serve({}, { service: createServer(() => asked++) });
    const response = await post(served.url, randomBytes(100_000), sha256("another"));
    expect(response.status).toBe(401);
    expect(asked).toBe(0);
    expect(served.gateway.spoolBytes).toBe(0);
  });

  it("is refused beyond the route's limit, announced or not", async () => {
    served = await serve({ routes: [routeOf({ bodyBytes: 1000 })] });
    const announced = await post(served.url, randomBytes(1001));
    expect(announced.status).toBe(413);
    const pieces = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(600));
      },
    });
    const init = { method: "POST", body: pieces, headers: { "x-hash": "0" }, duplex: "half" } as const;
    expect((await fetch(served.url, init)).status).toBe(413);
    expect(served.gateway.spoolBytes).toBe(0);
  });

  it("is refused where too many bytes wait already", async () => {
    served = await serve({ spoolBytes: 100_000 });
    const response = await post(served.url, randomBytes(100_001));
    expect(response.status).toBe(503);
    expect(await response.text()).toBe("gateway_busy");
    expect(served.gateway.spoolBytes).toBe(0);
  });

  it("that is too slow is refused", async () => {
    served = await serve({ routes: [routeOf({ bodyTimeoutMs: 50 })] });
    const answer = await raw(
      served.port,
      "POST / HTTP/1.1\r\nHost: a.example\r\nX-Hash: 0\r\nContent-Length: 10\r\n\r\nhello",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*body_timeout/);
  });
});

describe("what goes wrong in the gateway itself", () => {
  it.each(["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"])(
    "costs the connection and nobody else's, and is counted (%j)",
    async (more) => {
      const passages: Passages = {
        request() {
          throw new Error("of a request");
        },
        upgrade() {
          throw new Error("of an upgrade");
        },
      };
      const metrics = createGatewayMetrics();
      const server = new GatewayServer(settingsOf(), {
        admitter: readsBodies,
        passages,
        metrics,
        logger: silent,
      });
      const { port } = await server.listen();
      for (let i = 0; i < 2; i++)
        expect(await raw(port, `GET / HTTP/1.1\r\nHost: a.example\r\n${more}\r\n`)).toBe("");
      expect(metrics.render()).toContain('refusals_total{code="unexpected_error"} 2');
      await server.close();
    },
  );
});

describe("a drain", () => {
  const upgrade =
    "GET /socket HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

  it("lets the answer finish that an upgrade waits for, and begins nothing behind it", async () => {
    const { came, come } = expected<() => void>();
    const urls: (string | undefined)[] = [];
    const service = createServer((request, response) => {
      urls.push(request.url);
      response.flushHeaders();
      come(() => response.end("whole"));
    });
    served = await serve({ drainSeconds: 30, routes: [routeOf({ webSocket: true })] }, { service });
    const text = raw(served.port, `GET / HTTP/1.1\r\nHost: a.example\r\n\r\n${upgrade}`);
    const answer = await came;
    const closed = served.gateway.close();
    answer();
    expect(await text).toMatch(/^HTTP\/1.1 200 (?:.|\r\n)*whole\r\n0\r\n\r\n$/);
    await closed;
    expect(urls).toEqual(["/"]);
  });

  it("ends what an upgrade waits for once its time is over", async () => {
    const { came, come } = expected<void>();
    const service = createServer(() => come());
    served = await serve({ drainSeconds: 0.1, routes: [routeOf({ webSocket: true })] }, { service });
    const text = raw(served.port, `GET / HTTP/1.1\r\nHost: a.example\r\n\r\n${upgrade}`);
    await came;
    await served.gateway.close();
    expect(await text).toBe("");
  });
});

describe("a body that nobody verifies", () => {
  const head = (announced: string) => `POST / HTTP/1.1\r\nHost: a.example\r\n${announced}\r\n\r\n`;

  it("takes no connection to the upstream before it is whole, where it is short", async () => {
    const asked: (string | undefined)[] = [];
    const service = createServer((request, response) => {
      asked.push(request.method);
      tellWhatCame(request, response);
    });
    served = await serve({ routes: [routeOf({ memoryBytes: 10 })] }, { service });
    const socket = connect(served.port, "127.0.0.1");
    socket.write(`${head("Content-Length: 10")}hello`);
    expect((await fetch(served.url)).status).toBe(200);
    expect(asked).toEqual(["GET"]);
    socket.write("world");
    expect(String(await once(socket, "data"))).toMatch(/"content-length":"10".*"bytes":10/);
    expect(asked).toEqual(["GET", "POST"]);
    socket.destroy();
    expect(served.gateway.spoolBytes).toBe(0);
  });

  it("that is short and slow is refused, and never comes to the service", async () => {
    const asked: unknown[] = [];
    const service = createServer((request) => asked.push(request));
    served = await serve({ routes: [routeOf({ bodyTimeoutMs: 50 })] }, { service });
    const answer = await raw(served.port, `${head("Content-Length: 10")}hello`);
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*body_timeout/);
    expect(asked).toEqual([]);
  });

  it.each(["Transfer-Encoding: chunked", "Content-Length: 100000"])(
    "is cut off where it only drips, though never silent for long: %s",
    async (announced) => {
      const closed = expected<void>();
      const service = createServer((request) => request.resume().once("error", () => closed.come()));
      served = await serve({ routes: [routeOf({ bodyTimeoutMs: 100, idleTimeoutMs: 5000 })] }, { service });
      const socket = connect(served.port, "127.0.0.1");
      socket.on("error", () => {}).write(head(announced));
      const drips = setInterval(() => socket.write(announced.startsWith("T") ? "1\r\nx\r\n" : "x"), 10);
      const [answer] = await once(socket, "data");
      clearInterval(drips);
      expect(String(answer)).toMatch(/^HTTP\/1\.1 408 [\s\S]*body_timeout/);
      await closed.came;
      socket.destroy();
    },
  );

  it("that comes fast enough may take its time", async () => {
    const service = createServer((request, response) => {
      setTimeout(() => tellWhatCame(request, response), 300); // what takes nothing
    });
    served = await serve({ routes: [routeOf({ bodyTimeoutMs: 100, bodyBytes: 50_000_000 })] }, { service });
    const response = await fetch(served.url, { method: "POST", body: randomBytes(30_000_000) });
    expect(await response.json()).toMatchObject({ bytes: 30_000_000 });
  });
});
