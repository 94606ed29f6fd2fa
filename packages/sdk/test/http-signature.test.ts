import { createHash, randomUUID } from "node:crypto";
import type { Signable } from "@authmesh/core";
import { type ClientOptions, createClient, type SignedInit, type VerifyOptions, verify } from "@authmesh/sdk";
import express, { type RequestHandler } from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();

/** A server whose answer is what its handler sees. */
async function echoServer(
  { before = [], after = [] }: { before?: readonly RequestHandler[]; after?: readonly RequestHandler[] } = {},
  options: VerifyOptions = {},
) {
  const trust = new MemoryTrust().trust(caller);
  const app = express();
  for (const parser of before) app.use(parser);
  app.use(verify({ allowList: trust, logger: silent, ...options }));
  for (const parser of after) app.use(parser);
  app.use((req, res) => {
    res.json({ from: req.authMesh.deviceId, method: req.method, url: req.originalUrl, body: req.body });
  });
  const server = await serve(app);
  trust.audience = [server.host];
  return server;
}

function clientOf(options: ClientOptions = {}) {
  const client = createClient({ identity: caller, scheme: "http-signature", logger: silent, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A client whose requests are changed after they were signed. */
const changing = (change: (url: string, init: SignedInit) => [string, SignedInit]) =>
  clientOf({ fetch: (url, init) => fetch(...change(url, init)) });

const json = { "Content-Type": "application/json" };
const order = { method: "POST", headers: json, body: '{"amount":100}' };

describe('createClient({ scheme: "http-signature" })', () => {
  test.each([false, true])("is let in, with sessions: %s", async (session) => {
    const { url } = await echoServer({ before: [express.json()] });
    const client = clientOf({ session });
    for (const path of ["/a?b=2&a=%20&b=1", "/a%2Fb/", "/?"]) {
      const response = await client.fetch(url + path, order);
      expect(await response.json()).toMatchObject({ from: caller.publicKey.deviceId, body: { amount: 100 } });
    }
    expect((await client.fetch(url)).status).toBe(200);
    expect((await client.fetch(url, { method: "delete" })).status).toBe(200);
    expect((await client.fetch(url, { headers: { "Content-Type": "text/plain" } })).status).toBe(200);
  });

  test.each<[string, Parameters<typeof echoServer>[0]]>([
    ["before the verifier", { before: [express.json({ limit: "1mb" })] }],
    ["behind it", { after: [express.json({ limit: "1mb" })] }],
    ["nowhere", {}],
  ])("is let in with a body parser %s", async (_, parsers) => {
    const { url } = await echoServer(parsers);
    for (const body of ['{"amount":100}', `["${"x".repeat(300_000)}"]`]) {
      const response = await clientOf().fetch(url, { ...order, body });
      expect(((await response.json()) as { body: unknown }).body).toBeDefined();
    }
  });

  test("signs anew after a redirect", async () => {
    const trust = new MemoryTrust().trust(caller);
    const guard = verify({ allowList: trust, logger: silent });
    const server = await serve((request, response) =>
      guard(request, response, () =>
        request.url === "/from"
          ? response.writeHead(307, { Location: "/to" }).end()
          : response.end(request.url),
      ),
    );
    trust.audience = [server.host];
    expect(await (await clientOf().fetch(`${server.url}/from`, order)).text()).toBe("/to");
  });

  test("leaves Authorization to the application", async () => {
    const { url } = await echoServer();
    const response = await clientOf().fetch(url, { headers: { Authorization: "Bearer x" } });
    expect(response.status).toBe(200);
  });

  test.each(["Signature", "signature-input", "Content-Digest", "authmesh-delegation"])(
    "lets nobody else set %s",
    async (name) => {
      await expect(clientOf().fetch("http://a.example", { headers: { [name]: "x" } })).rejects.toThrow(
        TypeError,
      );
    },
  );

  test("refuses another scheme", () => {
    expect(() => createClient({ scheme: "toString" as "authmesh" })).toThrow(TypeError);
  });
});

describe("a request with an HTTP signature is refused", () => {
  test.each<[string, number, string, (url: string, init: SignedInit) => [string, SignedInit]]>([
    ["with another body", 401, "/b?a=1", (url, init) => [url, { ...init, body: '{"amount":900}' }]],
    ["with another query", 401, "/b?a=1", (url, init) => [url.replace("a=1", "a=2"), init]],
    ["with a query that was not signed", 400, "/b", (url, init) => [url.replace("/b", "/b?a=1"), init]],
    [
      "with two proofs",
      400,
      "/b",
      (url, init) => [url, { ...init, headers: { ...init.headers, Authorization: "AuthMesh x" } }],
    ],
  ])("%s", async (_, status, path, change) => {
    const { url } = await echoServer({ before: [express.json()] });
    expect((await changing(change).fetch(url + path, order)).status).toBe(status);
  });

  test("when it comes twice, or to another server", async () => {
    const [first, second] = [await echoServer(), await echoServer()];
    const seen: [string, SignedInit][] = [];
    const client = clientOf({
      fetch: (url, init) => {
        seen.push([url, init]);
        return fetch(url, init);
      },
    });
    expect((await client.fetch(first.url, order)).status).toBe(200);
    const [url, init] = seen[0] as [string, SignedInit];
    expect((await fetch(url, init)).status).toBe(401);
    expect((await fetch(second.url, init)).status).toBe(401);
  });
});

describe("the bytes on the wire are what Content-Digest is held to", () => {
  // Not what JSON.stringify would write: a parser in front leaves nothing of it.
  const text = '{ "amount" : 1e2 }';
  const digestOf = (algorithm: "sha256" | "sha512", body: string) =>
    `${algorithm.replace("sha", "sha-")}=:${createHash(algorithm).update(body).digest("base64")}:`;

  /** Signs by hand, as a caller does that chooses its own digests. */
  async function send(url: string, host: string, digest: string) {
    const now = Math.floor(Date.now() / 1000);
    const parameters =
      '("@method" "@authority" "@path" "content-digest" "content-type")' +
      `;created=${now};expires=${now + 60};nonce="${randomUUID()}";keyid="${caller.publicKey.deviceId}"` +
      ';alg="ecdsa-p256-sha256";tag="amesh"';
    const base = [
      '"@method": POST',
      `"@authority": ${host}`,
      '"@path": /',
      `"content-digest": ${digest}`,
      '"content-type": application/json',
      `"@signature-params": ${parameters}`,
    ].join("\n");
    const signature = Buffer.from(await caller.sign(Buffer.from(base) as unknown as Signable));
    const headers = {
      ...json,
      "Content-Digest": digest,
      "Signature-Input": `me=${parameters}`,
      Signature: `me=:${signature.toString("base64")}:`,
    };
    return (await fetch(url, { method: "POST", headers, body: text })).status;
  }

  test.each<[number, string, string]>([
    [200, "sha-256", digestOf("sha256", text)],
    [200, "sha-512", digestOf("sha512", text)],
    [200, "both", `${digestOf("sha512", text)}, ${digestOf("sha256", text)}`],
    [401, "sha-512 of another body", digestOf("sha512", '{"amount":100}')],
    [401, "one that is right and one that is not", `${digestOf("sha512", text)}, ${digestOf("sha256", "x")}`],
    [400, "none that is known", "md5=:AA==:"],
  ])("%i: %s", async (status, _, digest) => {
    for (const parsers of [{ before: [express.json()] }, {}]) {
      const { url, host } = await echoServer(parsers);
      expect(await send(url, host, digest)).toBe(status);
    }
  });
});
