import type { IncomingMessage } from "node:http";
import { signRequest } from "@authmesh/core";
import { amesh, createClient, type Decision, type VerifyOptions } from "@authmesh/sdk";
import express from "express";
import { describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { rawExchange, readAnswer } from "./fixtures/raw-http.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });

/** A server without a framework, whose handler does not look at what `next` is called with. */
async function careless(
  options: VerifyOptions = {},
  trust = new MemoryTrust().trust(caller),
  before?: (request: IncomingMessage) => void,
) {
  const handled: unknown[][] = [];
  const verify = amesh.verify({ allowList: trust, logger: silent, ...options });
  const server = await serve((request, response) => {
    before?.(request);
    verify(request, response, (...given: unknown[]) => {
      handled.push(given);
      response.end("handled");
    });
  });
  trust.audience = [server.host];
  return { ...server, trust, handled };
}

describe("whatever fails within the verifier, the handler does not run", () => {
  class BrokenTrust extends MemoryTrust {
    override find(): never {
      throw new Error("the store broke");
    }
  }

  test("a trust store that throws", async () => {
    const { url, handled } = await careless({}, new BrokenTrust());
    const response = await client.fetch(url);
    expect([response.status, await response.text()]).toEqual([500, '{"error":"unexpected_error"}']);
    expect(handled).toEqual([]);
  });

  test("a logger that throws", async () => {
    const broken = () => {
      throw new Error("the disk is full");
    };
    const { url, handled } = await careless({
      logger: { debug: broken, info: broken, warn: broken, error: broken },
    });
    expect((await fetch(url)).status).toBe(400);
    expect(handled).toEqual([]);
  });

  test("a response that was begun before the refusal", async () => {
    const { url, handled } = await careless({}, new MemoryTrust());
    const verify = amesh.verify({ allowList: new MemoryTrust(), logger: silent });
    const begun = await serve((request, response) => {
      response.writeHead(200);
      response.write("begun");
      verify(request, response, () => handled.push([]));
    });
    await expect(client.fetch(begun.url).then((response) => response.text())).rejects.toThrow();
    expect((await client.fetch(url)).status).toBe(401);
    expect(handled).toEqual([]);
  });
});

test("a request that is let in reaches the handler once, and `next` is given nothing", async () => {
  const { url, handled } = await careless();
  expect((await client.fetch(url)).status).toBe(200);
  expect(handled).toEqual([[]]);
});

test("an onDecision that rejects is logged and changes nothing", async () => {
  const errors: string[] = [];
  const logger = { ...silent, error: (message: string) => void errors.push(message) };
  const { url } = await careless({
    logger,
    onDecision: async () => Promise.reject(new Error("no database")),
  });
  expect((await fetch(url)).status).toBe(400);
  await expect.poll(() => errors).toEqual(["onDecision failed"]);
});

test("a body whose announcement other middleware removed is verified all the same", async () => {
  const { url, host, handled } = await careless({}, undefined, (request) => {
    delete request.headers["content-length"];
    delete request.headers["transfer-encoding"];
  });
  const { publicKey, sign } = caller;
  const authorization = await signRequest(
    { method: "POST", url: new URL(url) },
    { key: publicKey.base64, sign },
  );
  const head = [
    "POST / HTTP/1.1",
    `Host: ${host}`,
    `Authorization: ${authorization}`,
    "Content-Length: 4",
  ].join("\r\n");
  expect(readAnswer(await rawExchange(host, `${head}\r\n\r\nevil`)).status).toBe(401);
  expect(handled).toEqual([]);
});

test("a stricter verifier behind a laxer one holds the body to its own limit", async () => {
  const trust = new MemoryTrust().trust(caller);
  const app = express();
  app.use(amesh.verify({ allowList: trust, logger: silent }));
  app.use(amesh.verify({ allowList: trust, logger: silent, maxBodyBytes: 10 }));
  app.use((_req, res) => void res.send("in"));
  const { host, url } = await serve(app);
  trust.audience = [host];
  const { publicKey, sign } = caller;
  const authorization = await signRequest(
    { method: "POST", url: new URL(url), body: "x".repeat(50) },
    { key: publicKey.base64, sign },
  );
  const head = [
    "POST / HTTP/1.1",
    `Host: ${host}`,
    `Authorization: ${authorization}`,
    "Transfer-Encoding: chunked",
  ];
  const answer = await rawExchange(host, `${head.join("\r\n")}\r\n\r\n32\r\n${"x".repeat(50)}\r\n0\r\n\r\n`);
  expect(readAnswer(answer).status).toBe(413);
});

test("no spelling of another name of the audience gets past the one a request was signed for", async () => {
  const decisions: Decision[] = [];
  const { host } = await careless({
    audience: ["a.example.com", "b.example.com"],
    trustProxy: true,
    onDecision: (decision) => void decisions.push(decision),
  });
  const { publicKey, sign } = caller;
  const cases = [
    ["Host: b.example.com"],
    ["Host: b.example.com:81"],
    ["Host: B.example.com."],
    ["Host: a.example.com", "X-Forwarded-Host: b.example.com:81"],
    ["Host: a.example.com", "X-Forwarded-Host: b.example.com, a.example.com"],
  ];
  for (const headers of cases) {
    const authorization = await signRequest(
      { method: "GET", url: new URL("http://a.example.com/") },
      { key: publicKey.base64, sign },
    );
    const head = ["GET / HTTP/1.1", ...headers, `Authorization: ${authorization}`, "Connection: close"].join(
      "\r\n",
    );
    expect(readAnswer(await rawExchange(host, `${head}\r\n\r\n`)).status, headers.join(" | ")).toBe(401);
  }
});

test("a query whose parameters a parser would drop is refused", async () => {
  const { url, host, handled } = await careless();
  const { publicKey, sign } = caller;
  const signed = new URL("/del?dryRun=true&id=5", url);
  const authorization = await signRequest({ method: "POST", url: signed }, { key: publicKey.base64, sign });
  const target = `/del?id=5${"&".repeat(1001)}dryRun=true`;
  const head = [
    `POST ${target} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: ${authorization}`,
    "Connection: close",
  ];
  expect(readAnswer(await rawExchange(host, `${head.join("\r\n")}\r\n\r\n`)).status).toBe(400);
  expect(handled).toEqual([]);
});

test.each([
  ["audiance", { audiance: "api.example.com" }],
  ["audience", { audience: "a.example.com,*.example.com" }],
  ["audience", { audience: ["*.example.com"] }],
  ["audience", { audience: "api.example.com:443" }],
  ["audience", { audience: [undefined] }],
  ["trustProxy", { trustProxy: "false" }],
  ["pathPrefix", { pathPrefix: "api" }],
  ["pathPrefix", { pathPrefix: "/api/" }],
  ["pathPrefix", { pathPrefix: "/api?a=1" }],
  ["pathPrefix", { pathPrefix: "/a/../api" }],
  ["pathPrefix", { pathPrefix: 7 }],
  ["contentEncodings", { contentEncodings: "gzip" }],
])("a mistaken option is a TypeError that names it: %s", (name, options) => {
  const mistaken = { allowList: new MemoryTrust(), logger: silent, ...options } as VerifyOptions;
  expect(() => amesh.verify(mistaken)).toThrow(new RegExp(`^${name}`));
  expect(() => amesh.verify(mistaken)).toThrow(TypeError);
});
