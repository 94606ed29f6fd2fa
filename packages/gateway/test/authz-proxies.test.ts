import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { startNginx } from "../../../test/fixtures/nginx.js";
import { caddy } from "../../sdk/test/fixtures/proxies.js";
import {
  blockOf,
  byHttpSignature,
  caller,
  client,
  type Ended,
  type Order,
  signatureFor,
  startAuthz,
  startService,
  startTrust,
  stranger,
} from "./fixtures/authz-stage.js";
import { routeOf } from "./fixtures/settings.js";

const openHost = "www.example.com";
const routes = [
  routeOf({ name: "open", hosts: [openHost], public: true }),
  routeOf({ name: "health", path: "/health", below: false, public: true }),
  routeOf({ path: "/api", accept: new Set(["device", "http-signature", "token"]) }),
];
type Start = (ended: Ended, ports: { readonly service: number; readonly authz: number }) => Promise<number>;

/** The very configurations that the pages print, on other ports. Each gives its own. */
const proxies: Readonly<Record<"nginx" | "caddy", Start>> = {
  async nginx(ended, { service, authz }) {
    const folder = mkdtempSync(join(tmpdir(), "amesh-authz-"));
    ended(async () => rmSync(folder, { recursive: true }));
    const port = await freePort();
    const printed = blockOf("authz-nginx.md", "nginx")
      .replace("127.0.0.1:8089", `127.0.0.1:${authz}`)
      .replaceAll("127.0.0.1:8080;", `127.0.0.1:${port}; listen unix:${folder}/http2 http2;`)
      .replace("127.0.0.1:8080 default_server", `127.0.0.1:${port} default_server`)
      .replace("127.0.0.1:3000", `127.0.0.1:${service}`);
    // Twice: for a host with routes that ask for proofs alone, and for one with routes that ask for none.
    const [before, site = ""] = printed.split(/^(?=server \{\n.*\n {2}server_name localhost;)/m);
    const sites = [host, openHost].map((name) =>
      site.replace("server_name localhost", `server_name ${name}`),
    );
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${name};`,
    );
    const configuration = `pid pid; events {} http { access_log off; ${paths.join(" ")}\n${before}${sites.join("")} }`;
    await startNginx({ folder, configuration, port }, ended);
    http2Socket = join(folder, "http2");
    return port;
  },
  async caddy(ended, { service, authz }) {
    const site = blockOf("authz-caddy.md", "caddyfile")
      .replace("127.0.0.1:8089", `127.0.0.1:${authz}`)
      .replace("127.0.0.1:3000", `127.0.0.1:${service}`)
      .replace(/^api\.example\.com \{\n/, "")
      .replace(/\}\n$/, "");
    return Number((await caddy(site, ended)).host.split(":")[1]);
  },
};
/** Where nginx speaks HTTP/2. */
let http2Socket = "";

const origin = "https://api.example.com";
const host = "api.example.com";

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

describe.each(["nginx", "caddy"] as const)("behind a proxy set up as its page says: %s", (proxy) => {
  const stops: (() => Promise<void>)[] = [];
  const ended: Ended = (stop) => void stops.unshift(stop);
  let service: Awaited<ReturnType<typeof startService>>;
  let port: number;
  let trusted: Awaited<ReturnType<typeof startTrust>>;

  beforeAll(async () => {
    service = await startService(ended);
    trusted = await startTrust(ended);
    const authz = await startAuthz(ended, { proxy }, { verification: trusted.verification, routes });
    port = await proxies[proxy](ended, { service: service.port, authz });
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });
  beforeEach(() => void service.seen.splice(0));

  /** What comes back, whose status is that of the proxy. */
  const send = (path: string, { method = "GET", headers = {}, body }: Sent = {}) =>
    new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path, method, headers: { host, ...headers } };
      const sent = request({ ...options, agent: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
        );
      });
      sent.on("error", reject).end(body);
    });
  const signed = (path: string, { method = "GET" }: Sent = {}, by = client) =>
    by.headers(`${origin}${path}`, { method });

  test("a signed GET reaches the service, which learns who called and sees no proof", async () => {
    const answer = await send("/api/orders?a=1", { headers: await signed("/api/orders?a=1") });
    expect(answer).toMatchObject({ status: 200, body: "passed" });
    const [seen] = service.seen;
    expect(seen).toMatchObject({ method: "GET", url: "/api/orders?a=1" });
    expect(seen?.headers).toMatchObject({
      "x-authmesh-subject": caller.publicKey.deviceId,
      "x-authmesh-kind": "device",
      "x-authmesh-name": "M%C3%BCller",
    });
    expect(seen?.headers["authorization"]).toBeUndefined();
    expect(seen?.headers["x-authmesh-issuer"] ?? "").toBe("");
  });

  test("the same request a second time is a replay", async () => {
    const headers = await signed("/api");
    expect((await send("/api", { headers })).status).toBe(200);
    expect((await send("/api", { headers })).status).toBe(401);
    expect(service.seen).toHaveLength(1);
  });

  test.each([
    ["without a proof", {}, proxy === "nginx" ? 403 : 400, "missing_header"],
    ["with a key that is not trusted", () => signed("/api", {}, stranger), 401, "unauthorized"],
    ["signed for another path", () => signed("/api/other"), 401, "unauthorized"],
  ])("a request %s reaches nobody, and its caller learns the code", async (_, headers, status, code) => {
    const answer = await send("/api", { headers: typeof headers === "function" ? await headers() : headers });
    expect(answer.status).toBe(status);
    expect(answer.headers["authmesh-error"]).toBe(code);
    expect(answer.headers["authmesh-decision"]).toMatch(/^[\w-]{16}$/);
    expect(service.seen).toEqual([]);
  });

  test("a device that was revoked reaches nobody", async () => {
    const status = async () => (await send("/api", { headers: await signed("/api") })).status;
    await trusted.revoke();
    await vi.waitUntil(async () => (await status()) === 401, { timeout: 5000, interval: 20 });
    service.seen.splice(0);
    expect(await status()).toBe(401);
    expect(service.seen).toEqual([]);
    await trusted.trust();
    await vi.waitUntil(async () => (await status()) === 200, { timeout: 5000, interval: 20 });
  });

  test("a path without a route reaches nobody", async () => {
    const answer = await send("/elsewhere", { headers: await signed("/elsewhere") });
    expect(answer.status).toBe(proxy === "nginx" ? 403 : 404);
    expect(answer.headers["authmesh-error"]).toBe("no_route");
    expect(service.seen).toEqual([]);
  });

  test.each([
    "/health/../api",
    "//health",
    "/health%2f..%2fapi",
    "/health;/api",
    "/%68ealth",
    "/health/%2e%2e/api",
  ])("%s is no way around", async (path) => {
    const answer = await send(path);
    expect([400, 403]).toContain(answer.status);
    expect(service.seen).toEqual([]);
  });

  test.each([
    ["a signature", signatureFor],
    ["a token", (order: Order) => trusted.tokenFor(order)],
  ])("%s that covers the body is refused, since the proxy does not show it", async (_, proofOf) => {
    const order = { url: new URL(`${origin}/api`), contentType: "text/plain", body: "order" };
    const headers = { authorization: await proofOf(order), "content-type": "text/plain" };
    const answer = await send("/api", { method: "POST", headers, body: "order" });
    expect(answer.status).toBe(403);
    expect(answer.headers["authmesh-error"]).toBe("body_unseen");
    expect(service.seen).toEqual([]);
  });

  test("an HTTP signature does as well, without a body", async () => {
    const answer = await send("/api?a=1", { headers: await byHttpSignature.headers(`${origin}/api?a=1`) });
    expect(answer.status).toBe(200);
    expect(service.seen[0]?.headers["signature"]).toBeUndefined();
  });

  test.each([{ "content-length": "5" }, { "transfer-encoding": "chunked" }])(
    "the signature of a request without a body lets none with one pass: %j",
    async (length) => {
      const headers = { ...(await signed("/api", { method: "POST" })), ...length };
      const answer = await send("/api", { method: "POST", headers, body: "extra" });
      expect(answer.headers["authmesh-error"]).toBe("body_unseen");
      expect(service.seen).toEqual([]);
    },
  );

  test("a token passes with a body that it is not bound to, and once", async () => {
    const order = {
      method: "POST",
      headers: { authorization: await trusted.tokenFor() },
      body: '{"amount":1}',
    };
    expect((await send("/api", order)).status).toBe(200);
    expect(service.seen[0]?.headers).toMatchObject({
      "x-authmesh-subject": "svc://billing/worker",
      "x-authmesh-kind": "token",
    });
    expect((await send("/api", order)).status).toBe(401);
  });

  test("nobody says by headers of its own who it is, or what is asked about", async () => {
    const spoofs = {
      "X-AuthMesh-Subject": ["am_evil", "am_evil"],
      "x-authmesh-issuer": "evil",
      x_authmesh_subject: "am_evil",
      "X-AuthMesh_Subject": "am_evil",
      "X_AuthMesh-Action": "evil",
      ...Object.fromEntries(
        Array.from("_.~!#$%&'*+^|`", (between) => [`X${between}AuthMesh${between}Name`, "evil"]),
      ),
      "X-Original-Method": "DELETE",
      "X-Original-URI": "/health",
      "X-Original-Host": "evil",
      "X-Original-Framing": "HTTP/1.1;;",
      "X-Forwarded-Method": "DELETE",
      "X-Forwarded-Uri": "/health",
      "X-Forwarded-Host": "evil",
    };
    expect((await send("/api", { headers: spoofs })).headers["authmesh-error"]).toBe("missing_header");
    const answer = await send("/api", { headers: { ...spoofs, ...(await signed("/api")) } });
    expect(answer.status).toBe(200);
    const headers: IncomingHttpHeaders = service.seen[0]?.headers ?? {};
    const told = Object.entries(headers).filter(([name]) => /^x.authmesh/.test(name));
    expect(JSON.stringify(told)).not.toContain("evil");
    expect(headers["x-authmesh-subject"]).toBe(caller.publicKey.deviceId);
  });

  test("a public route says nothing of its callers, whatever they write", async () => {
    const answer = await send("/health", { headers: { "X-AuthMesh-Subject": "am_evil" } });
    expect(answer.status).toBe(200);
    expect(service.seen[0]?.headers["x-authmesh-subject"] ?? "").toBe("");
  });

  test.each([["X-AuthMesh-Subject"], ["keep-alive", "X-AuthMesh-Subject"]])(
    "Connection takes away nothing of what the service is told: %s",
    async (...names) => {
      const headers = { ...(await signed("/api")), connection: names };
      const { status } = await send("/api", { headers });
      if (status === 200)
        expect(service.seen[0]?.headers["x-authmesh-subject"]).toBe(caller.publicKey.deviceId);
      else expect(service.seen).toEqual([]);
    },
  );

  test("a WebSocket opens with a signed upgrade, and with no other", async () => {
    const upgrade = {
      host,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const open = async (headers: Readonly<Record<string, string>>) => {
      const fields = Object.entries({ ...upgrade, ...headers }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      const socket = connect(port, "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      socket.write(`GET /api/live HTTP/1.1\r\n${fields.join("")}\r\n`);
      return [socket, String(await once(socket, "data"))] as const;
    };
    const [, refused] = await open({});
    expect(refused).toMatch(/^HTTP\/1\.1 40[03] /);
    const [socket, opened] = await open(await signed("/api/live"));
    expect(opened).toMatch(/^HTTP\/1\.1 101 /);
    expect(service.seen[0]?.headers["x-authmesh-subject"]).toBe(caller.publicKey.deviceId);
    socket.write("hello");
    expect(String(await once(socket, "data"))).toBe("hello");
  });

  /** Sends what no client of node:http would, and gives the status that comes back. */
  const sendRaw = async (...lines: readonly string[]) => {
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    return Number(String(await once(socket, "data")).split(" ")[1]);
  };

  test.runIf(proxy === "nginx").each([
    ["a host that asks for proofs, behind one that does not", host, openHost, "/page"],
    ["a host that asks for none, behind one that does", openHost, host, "/api"],
    ["a host that asks for proofs, behind one that does not and a port", host, `${openHost}:8080`, "/page"],
    ["a host that asks for proofs, behind one that begins like it", host, `${host}.${openHost}`, "/page"],
    ["a host that asks for proofs, behind both", host, `${openHost} ${host}`, "/page"],
    ["a host that asks for proofs, behind none", host, "", "/page"],
    ["a host that nobody has", "example.net", openHost, "/page"],
    ["a host with a dot at its end", `${openHost}.`, `${openHost}.`, "/page"],
  ])(
    "an absolute request line reaches no server but the one that was asked about: %s",
    async (_, line, told, path) => {
      const proof = Object.entries(await client.headers(`https://${told.split(" ")[0] || host}${path}`));
      const fields = proof.map(([name, value]) => `${name}: ${value}`);
      expect(await sendRaw(`GET http://${line}${path} HTTP/1.1`, `Host: ${told}`, ...fields)).toBeGreaterThan(
        399,
      );
      expect(service.seen).toEqual([]);
    },
  );

  test.each([
    [openHost, openHost],
    [`${openHost}:8080`, `${openHost}:8080`],
    [openHost.toUpperCase(), openHost],
  ])("an absolute request line that says what Host says passes: %s", async (line, told) => {
    expect(await sendRaw(`GET http://${line}/ HTTP/1.1`, `Host: ${told}`)).toBe(200);
    expect(service.seen[0]?.headers.host).toBe(proxy === "nginx" ? told : line);
  });

  test.runIf(proxy === "caddy")(
    "of an absolute request line its host is asked about, not the header",
    async () => {
      expect(await sendRaw(`GET http://${host}/api HTTP/1.1`, `Host: ${openHost}`)).toBe(400);
      expect(service.seen).toEqual([]);
      expect(await sendRaw(`GET http://${openHost}/page HTTP/1.1`, `Host: ${host}`)).toBe(200);
      expect(service.seen[0]?.headers.host).toBe(openHost);
    },
  );

  test.runIf(proxy === "nginx")("a host that no server has is refused before anybody is asked", async () => {
    expect(await sendRaw("GET /api HTTP/1.1", "Host: elsewhere.example.com")).toBe(421);
  });

  test.runIf(proxy === "nginx")("over HTTP/2, a Host beside another authority reaches nobody", async () => {
    const session = connectHttp2(origin, { createConnection: () => connect(http2Socket) });
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":path": "/api", ":authority": host, host: openHost });
    const [answer] = await once(stream, "response");
    expect(answer[":status"]).toBeGreaterThan(399);
    expect(service.seen).toEqual([]);
  });

  test.runIf(proxy === "nginx").each([
    ["a GET that says nothing of a body", "GET", {}, undefined, 200],
    ["a POST that says nothing of a body", "POST", {}, undefined, 403],
    ["a POST that says that it has none", "POST", { "content-length": "0" }, undefined, 200],
    ["a POST with a body of no known length", "POST", {}, "extra", 403],
  ] as const)("over HTTP/2, with a signature over no body: %s", async (_, method, length, body, status) => {
    const session = connectHttp2(origin, { createConnection: () => connect(http2Socket) });
    onTestFinished(() => session.destroy());
    const headers = { ...(await signed("/api", { method })), ...length };
    const stream = session.request(
      { ":method": method, ":path": "/api", ...headers },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    const [answer] = await once(stream, "response");
    expect(answer[":status"]).toBe(status);
    expect(answer["authmesh-error"]).toBe(status === 200 ? undefined : "body_unseen");
    expect(service.seen).toHaveLength(status === 200 ? 1 : 0);
  });
});
