import { expect, test } from "vitest";
import {
  ask,
  closingAfterEach,
  deadUrl,
  readAll,
  serve,
  serveRaw,
  setStage,
  upstreamSettings,
} from "./stage.js";

const opened = closingAfterEach();

test("a request reaches the upstream with its body, and the answer the caller", async () => {
  const upstream = opened(
    await serve(async (request, response) => {
      const body = await readAll(request);
      response.setHeader("X-Seen", JSON.stringify(request.headers));
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.statusCode = 201;
      response.end(`${request.method} ${request.url} ${body}`);
    }),
  );
  const stage = opened(await setStage({ upstreams: [upstreamSettings([upstream.url])] }));
  const answer = await ask(stage.port, {
    method: "POST",
    path: "/orders?b=2",
    body: "hello",
    headers: {
      "Content-Length": "5",
      Host: "api.example.com",
      "X-AuthMesh_Subject": "eve",
      "x-authmesh-subject": "eve",
      Authorization: "AuthMesh secret",
    },
  });
  expect(answer.status).toBe(201);
  expect(answer.body).toBe("POST /orders?b=2 hello");
  expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  const seen = JSON.parse(String(answer.headers["x-seen"]));
  expect(seen).toMatchObject({
    host: "api.example.com",
    "content-length": "5",
    "x-authmesh-subject": "am_0123456789abcdef",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-host": "api.example.com",
    "x-forwarded-proto": "http",
  });
  expect(seen).not.toHaveProperty("authorization");
});

test("an upstream that is not there is a 502 that says nothing of where it was", async () => {
  const url = await deadUrl();
  const stage = opened(await setStage({ upstreams: [upstreamSettings([url])] }));
  const answer = await ask(stage.port);
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.body)).toMatchObject({ error: "upstream_unreachable", decision: "decision-1" });
  expect(answer.body).not.toContain("127.0.0.1");
  expect(stage.log).toMatchObject([
    { fields: { url, code: "upstream_unreachable", reason: expect.stringContaining("ECONNREFUSED") } },
  ]);
});

test("an upstream that answers garbage is a 502 of its own", async () => {
  const upstream = opened(
    await serveRaw((socket) => socket.once("data", () => socket.end("SSH-2.0-OpenSSH\r\n"))),
  );
  const stage = opened(await setStage({ upstreams: [upstreamSettings([upstream.url])] }));
  const answer = await ask(stage.port);
  expect([answer.status, JSON.parse(answer.body).error]).toEqual([502, "upstream_garbled"]);
});
