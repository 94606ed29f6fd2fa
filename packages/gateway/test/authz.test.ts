import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rawExchange, readAnswer } from "../../sdk/test/fixtures/raw-http.js";
import { createAuthz } from "../src/authz/create-authz.js";
import type { ProxyName } from "../src/authz/proxy-dialects.js";
import {
  caller,
  client,
  type Ended,
  type Order,
  signatureFor,
  startAuthz,
  startTrust,
} from "./fixtures/authz-stage.js";
import { silent } from "./fixtures/callers.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const stops: (() => Promise<void>)[] = [];
const ended: Ended = (stop) => void stops.unshift(stop);
let trusted: Awaited<ReturnType<typeof startTrust>>;
const ports = new Map<ProxyName, number>();
const routes = [
  routeOf({
    path: "/api",
    accept: new Set(["device", "http-signature", "token"]),
    bodyBytes: 1000,
    bodyTimeoutMs: 200,
  }),
];

beforeAll(async () => {
  trusted = await startTrust(ended);
  const { verification } = trusted;
  for (const proxy of ["nginx", "traefik", "envoy"] as const)
    ports.set(
      proxy,
      await startAuthz(
        ended,
        { proxy, pathPrefix: proxy === "envoy" ? "/authz" : "" },
        { verification, routes },
      ),
    );
});
afterAll(async () => {
  for (const stop of stops) await stop();
});

const order: Order = {
  url: new URL("https://api.example.com/api"),
  contentType: "text/plain",
  body: "order",
};

/** A question as it goes over the wire, and its answer. */
async function ask(proxy: ProxyName, line: string, headers: Readonly<Record<string, string>>, body = "") {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `${line} HTTP/1.1\r\n${fields.join("")}\r\n${body}`;
  const { status, head } = readAnswer(await rawExchange(`127.0.0.1:${ports.get(proxy)}`, text));
  return { status, head, error: /^authmesh-error: (.*)$/im.exec(head)?.[1]?.trim() };
}

const ofTraefik = {
  Host: "127.0.0.1:8089",
  "User-Agent": "Go-http-client/1.1",
  "Content-Type": "text/plain",
  "X-Forwarded-For": "192.0.2.7",
  "X-Forwarded-Host": "api.example.com",
  "X-Forwarded-Method": "POST",
  "X-Forwarded-Proto": "https",
  "X-Forwarded-Uri": "/api",
};
const ofEnvoy = { Host: "api.example.com", "Content-Type": "text/plain", "X-Envoy-Internal": "true" };
const ofNginx = {
  Host: "127.0.0.1:8089",
  "X-Original-Method": "POST",
  "X-Original-URI": "/api",
  "X-Original-Host": "api.example.com",
  "X-Original-Framing": "HTTP/1.1;5;",
};

describe("a body that comes with the question", () => {
  test("is verified, of Traefik", async () => {
    const headers = { ...ofTraefik, Authorization: await signatureFor(order), "Content-Length": "5" };
    const { status, head } = await ask("traefik", "GET /", headers, "order");
    expect(status).toBe(200);
    expect(head.toLowerCase()).toContain(`x-authmesh-subject: ${caller.publicKey.deviceId.toLowerCase()}`);
  });

  test("is refused where it is another", async () => {
    const headers = { ...ofTraefik, Authorization: await signatureFor(order), "Content-Length": "5" };
    expect(await ask("traefik", "GET /", headers, "other")).toMatchObject({
      status: 401,
      error: "unauthorized",
    });
  });

  test("is verified, of Envoy, which says that it is whole", async () => {
    const headers = {
      ...ofEnvoy,
      Authorization: await signatureFor(order),
      "Content-Length": "5",
      "X-Envoy-Auth-Partial-Body": "false",
    };
    expect((await ask("envoy", "POST /authz/api", headers, "order")).status).toBe(200);
  });

  test("is none where Envoy shows the beginning alone", async () => {
    const headers = {
      ...ofEnvoy,
      Authorization: await signatureFor(order),
      "Content-Length": "5",
      "X-Envoy-Auth-Partial-Body": "true",
    };
    expect(await ask("envoy", "POST /authz/api", headers, "order")).toMatchObject({
      status: 403,
      error: "body_unseen",
    });
  });

  test("binds a token", async () => {
    const headers = { ...ofTraefik, Authorization: await trusted.tokenFor(order), "Content-Length": "5" };
    expect((await ask("traefik", "GET /", headers, "order")).status).toBe(200);
  });

  test("is held to the route's limit", async () => {
    const body = "x".repeat(1001);
    const headers = {
      ...ofTraefik,
      Authorization: await signatureFor({ ...order, body }),
      "Content-Length": "1001",
    };
    expect(await ask("traefik", "GET /", headers, body)).toMatchObject({
      status: 413,
      error: "payload_too_large",
    });
  });

  test("is waited for as long as the route says", async () => {
    const headers = { ...ofTraefik, Authorization: await signatureFor(order), "Content-Length": "5" };
    expect(await ask("traefik", "GET /", headers, "ord")).toMatchObject({
      status: 408,
      error: "body_timeout",
    });
  });
});

test("a proxy that is set up to announce a body and sends none is answered at once", async () => {
  const headers = { ...ofNginx, Authorization: await signatureFor(order), "Content-Length": "5" };
  const { status, head, error } = await ask("nginx", "GET /", headers);
  expect({ status, error }).toEqual({ status: 403, error: "ambiguous_request" });
  expect(head).toMatch(/^connection: close$/im);
});

test("a host that is written in another way than routes and audiences compare is refused", async () => {
  for (const host of ["api%2Eexample.com", "api.example.com%2e", "127.1"])
    expect(await ask("nginx", "GET /", { ...ofNginx, "X-Original-Host": host })).toMatchObject({
      error: "ambiguous_request",
    });
});

test("questions follow each other on one connection", async () => {
  const socket = connect(ports.get("nginx") as number, "127.0.0.1");
  const fields = Object.entries(ofNginx).map(([name, value]) => `${name}: ${value}\r\n`);
  const question = `GET / HTTP/1.1\r\n${fields.join("")}`;
  socket.end(`${question}\r\n${question}Connection: close\r\n\r\n`);
  let text = "";
  for await (const part of socket) text += part;
  expect(text.match(/HTTP\/1\.1 403 /g)).toHaveLength(2);
});

test("a replay is refused across a change of the settings, and the changed routes count", async () => {
  const { verification } = trusted;
  const settings = settingsOf({ verification, routes, drainSeconds: 0 });
  const authz = await createAuthz({ settings, proxy: "nginx", port: 0, logger: silent });
  ended(() => authz.close());
  ports.set("nginx", (await authz.listen()).port);
  const proof = await client.headers("https://api.example.com/api/1");
  const get = { ...ofNginx, "X-Original-Method": "GET", "X-Original-Framing": "HTTP/1.1;;" };
  const first = { ...get, "X-Original-URI": "/api/1", ...proof };
  expect((await ask("nginx", "GET /", first)).status).toBe(200);
  await authz.reload({ ...settings, routes: [...routes, routeOf({ path: "/open", public: true })] });
  expect((await ask("nginx", "GET /", first)).status).toBe(401);
  expect((await ask("nginx", "GET /", { ...get, "X-Original-URI": "/open" })).status).toBe(200);
});

test.each([
  [{ proxy: "apache" as ProxyName }, /proxy/],
  [{ proxy: "nginx" as const, pathPrefix: "/authz" }, /pathPrefix/],
])("%j makes no sense", (options, message) =>
  expect(createAuthz({ ...options, settings: settingsOf({ routes }) })).rejects.toThrow(message),
);
