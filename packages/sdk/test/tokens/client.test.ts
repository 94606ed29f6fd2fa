import type { IncomingMessage, ServerResponse } from "node:http";
import { AmeshError, createVerifier, InMemoryNonceStore } from "@authmesh/core";
import { type ClaimsToMint, mintToken, staticKeys, type TokenClaims } from "@authmesh/oath";
import {
  type ClientIdentity,
  type ClientOptions,
  type ClientTokenOptions,
  createClient,
  type VerifyTokenOptions,
  verifyToken,
} from "@authmesh/sdk";
import express from "express";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../../test/fixtures/free-port.js";
import { nodeRequest } from "../../src/body/node-request.js";
import { MemoryTrust, makeIdentity, silent } from "../fixtures/pair.js";
import { serve } from "../fixtures/servers.js";
import { newSigner } from "./token-exchange.js";

type Answer = (request: IncomingMessage, response: ServerResponse, mint: () => void) => void;

/**
 * An authority as small as it can be: it knows its callers by their keys, and mints what they ask for. `answer` may
 * say something else in its place.
 */
async function authority(caller: ClientIdentity, clock: { now: number }) {
  const signer = newSigner();
  const asked: Record<string, unknown>[] = [];
  const state: { url: string; answer: Answer; minted: number } = {
    url: "",
    answer: (_, __, mint) => mint(),
    minted: 0,
  };
  const app = express();
  app.use(express.json());
  app.use((request, response, next) => state.answer(request, response, next));
  const trust = new MemoryTrust().trust(caller);
  const decide = createVerifier({ trust, nonces: new InMemoryNonceStore(), now: () => clock.now });
  app.post("/v1/token", async (request, response) => {
    const decision = await decide(nodeRequest(request));
    if (!decision.allowed) {
      response.status(decision.failure.status).json({ error: decision.failure.public });
      return;
    }
    asked.push(request.body);
    const { ttl, ...claims } = request.body as ClaimsToMint & { ttl?: number };
    const { token, claims: minted } = await mintToken(
      { ...claims, sub: claims.sub ?? `svc://device/${decision.caller.id}` },
      { issuer: state.url, signer, ttlSeconds: ttl, now: () => clock.now },
    );
    state.minted++;
    response.json({ token, token_type: "OathMesh", expires_in: minted.exp - minted.iat });
  });
  const { url, host } = await serve(app);
  trust.audience = [host];
  state.url = url;
  return Object.assign(state, { asked, keys: () => staticKeys({ [url]: { keys: [signer.publicJwk] } }) });
}

interface Setting {
  readonly token?: Partial<ClientTokenOptions>;
  readonly client?: ClientOptions;
  readonly service?: Partial<VerifyTokenOptions>;
  /** Stands in front of the service. */
  readonly before?: express.RequestHandler;
}

/** A caller, its authority, and a service that takes the authority's tokens. */
async function world({ token, client: given, service, before }: Setting = {}) {
  const clock = { now: Date.now() };
  const identity = makeIdentity();
  const issuer = await authority(identity, clock);
  const seen: TokenClaims[] = [];
  const app = express();
  if (before !== undefined) app.use(before);
  app.use(
    verifyToken({
      audience: "orders",
      trustedIssuers: [issuer.url],
      keys: issuer.keys(),
      policy: "none",
      logger: silent,
      now: () => clock.now,
      onDecision: (decision) => void (decision.allowed && seen.push(decision.claims)),
      ...service,
    }),
  );
  app.use(express.text({ type: () => true }), (request, response) => {
    response.json({ by: request.oathmeshContext.principal.subject, body: request.body ?? "" });
  });
  const { url } = await serve(app);
  const client = createClient({
    identity,
    logger: silent,
    now: () => clock.now,
    token: { authority: issuer.url, audience: "orders", action: "orders.write", ...token },
    ...given,
  });
  onTestFinished(() => client.close());
  const pass = (seconds: number) => {
    clock.now += seconds * 1000;
  };
  return { client, url, issuer, seen, identity, pass };
}

const post = { method: "POST", body: '{"amount":100}', headers: { "Content-Type": "application/json" } };
const failureOf = (promise: Promise<unknown>): Promise<AmeshError> =>
  promise.then(
    () => Promise.reject(new Error("it went well")),
    (error: AmeshError) => error,
  );

describe("a client that calls with tokens", () => {
  test("obtains one for each request, by its own key", async () => {
    const { client, url, issuer, identity, seen } = await world();
    const response = await client.fetch(`${url}/orders`, post);
    expect([response.status, await response.json()]).toEqual([
      200,
      { by: `svc://device/${identity.publicKey.deviceId}`, body: post.body },
    ]);
    expect((await client.fetch(`${url}/orders`)).status).toBe(200);
    expect(issuer.asked).toEqual([
      { aud: "orders", act: "orders.write" },
      { aud: "orders", act: "orders.write" },
    ]);
    expect(new Set(seen.map(({ jti }) => jti)).size).toBe(2);
  });

  test("asks for what its options say", async () => {
    const { client, url, issuer } = await world({
      token: {
        subject: "svc://billing/worker",
        scope: ["orders:rw"],
        ttlSeconds: 30,
        reason: "why",
        env: "test",
      },
    });
    await client.fetch(url);
    const asked = { sub: "svc://billing/worker", scope: ["orders:rw"], ttl: 30, reason: "why", env: "test" };
    expect(issuer.asked).toEqual([{ aud: "orders", act: "orders.write", ...asked }]);
  });

  test("can bind each token to its request", async () => {
    const { client, url, seen } = await world({
      token: { bind: "request" },
      service: { requireRequestBinding: true },
    });
    expect((await client.fetch(`${url}/orders?b=2&a=%20x`, post)).status).toBe(200);
    expect((await client.fetch(url, { method: "DELETE" })).status).toBe(200);
    expect(seen.map(({ rqh }) => rqh)).toEqual([
      expect.stringMatching(/^sha256:/),
      expect.stringMatching(/^sha256:/),
    ]);
  });

  test("can use one until it expires where the service takes it so", async () => {
    const { client, url, issuer, pass } = await world({
      token: { tokenUse: "until-expiry" },
      service: { tokenUse: "until-expiry" },
    });
    for (let i = 0; i < 5; i++) expect((await client.fetch(url)).status).toBe(200);
    expect(issuer.minted).toBe(1);
    pass(110);
    expect((await client.fetch(url)).status).toBe(200);
    expect(issuer.minted).toBe(2);
  });

  test("gives headers to what sends by other means than fetch", async () => {
    const { client, url } = await world();
    const headers = await client.headers(url);
    expect(headers).toEqual({ Authorization: expect.stringMatching(/^OathMesh /) });
    expect((await fetch(url, { headers })).status).toBe(200);
  });

  test("follows a redirect within the origin with a token of its own", async () => {
    const { client, url, issuer } = await world({
      before: (request, response, next) =>
        request.path === "/old" ? response.redirect(307, "/new") : next(),
    });
    const response = await client.fetch(`${url}/old`, post);
    expect([response.status, issuer.minted]).toEqual([200, 2]);
  });

  test("shows no token to another origin", async () => {
    const { client, url } = await world({
      before: (_request, response) => response.redirect(307, "http://elsewhere.example.com/"),
    });
    expect(await failureOf(client.fetch(url))).toMatchObject({ code: "redirect_refused" });
  });

  test("leaves the header to itself", async () => {
    const { client, url } = await world();
    await expect(client.fetch(url, { headers: { Authorization: "Bearer x" } })).rejects.toThrow(TypeError);
  });

  test("asks its authority whatever its audience is, and calls only hosts of that", async () => {
    const { client, url, issuer, identity } = await world({
      client: { audience: "other.example.com", session: true },
    });
    expect(await failureOf(client.fetch(url))).toMatchObject({ code: "host_mismatch" });
    expect(issuer.asked).toEqual([]);
    const token = { authority: issuer.url, audience: "orders", action: "orders.write" };
    const named = createClient({
      identity,
      audience: new URL(url).host,
      session: true,
      logger: silent,
      token,
    });
    onTestFinished(() => named.close());
    expect((await named.fetch(url)).status).toBe(200);
  });
});

describe("a client whose key goes along with its token", () => {
  const held = { token: { proof: true } } as const;

  test.each([false, true])("uses one token for many requests, each signed (session: %j)", async (session) => {
    const { client, url, issuer, seen } = await world({ ...held, client: { session } });
    const responses = await Promise.all([1, 2, 3].map(() => client.fetch(`${url}/orders?a=1`, post)));
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await client.fetch(url)).status).toBe(200);
    expect(issuer.minted).toBe(1);
    expect(seen).toHaveLength(4);
    const { jkt } = seen[0]?.cnf ?? {};
    expect(jkt).toMatch(/^[\w-]{43}$/);
  });

  test("has the next one ready before it expires, and nobody waits for it", async () => {
    const { client, url, issuer, pass } = await world(held);
    await client.fetch(url);
    pass(80);
    expect((await client.fetch(url)).status).toBe(200);
    await expect.poll(() => issuer.minted).toBe(2);
    pass(100);
    expect((await client.fetch(url)).status).toBe(200);
  });

  test("goes on while the authority is away, for as long as the token lives", async () => {
    const { client, url, issuer, pass } = await world(held);
    await client.fetch(url);
    issuer.answer = (_request, response) => response.writeHead(503).end();
    pass(80);
    expect((await client.fetch(url)).status).toBe(200);
    pass(20);
    expect((await client.fetch(url)).status).toBe(200);
    pass(10);
    expect(await failureOf(client.fetch(url))).toMatchObject({ code: "authority_unreachable" });
    issuer.answer = (_, __, mint) => mint();
    expect((await client.fetch(url)).status).toBe(200);
  });

  test("takes a new one, once, when the service says that it expired", async () => {
    let [ahead, lasting, called] = [0, false, 0];
    const { client, url, issuer } = await world({
      ...held,
      before: (_request, _response, next) => {
        if (called++ > 1 && !lasting) ahead = 0;
        next();
      },
      service: { now: () => Date.now() + ahead, leewaySeconds: 0 },
    });
    await client.fetch(url);
    ahead = 200_000;
    expect([(await client.fetch(url, post)).status, called, issuer.minted]).toEqual([200, 3, 2]);
    [ahead, lasting] = [200_000, true];
    expect([(await client.fetch(url)).status, called, issuer.minted]).toEqual([401, 5, 3]);
  });

  test("one flight obtains it, however many wait", async () => {
    const { client, url, issuer } = await world(held);
    const responses = await Promise.all(Array.from({ length: 20 }, () => client.fetch(url)));
    expect(responses.every(({ ok }) => ok)).toBe(true);
    expect(issuer.minted).toBe(1);
  });

  test("can be bound to the request too", async () => {
    const { client, url, seen } = await world({
      token: { proof: true, bind: "request" },
      service: { requireRequestBinding: true },
    });
    expect((await client.fetch(url, post)).status).toBe(200);
    expect((await client.fetch(url, post)).status).toBe(200);
    expect(seen.every(({ rqh, cnf }) => rqh !== undefined && cnf !== undefined)).toBe(true);
  });
});

describe("a token that is good for whoever has it", () => {
  test.each([
    ["once", {}],
    ["until it expires", { tokenUse: "until-expiry" }],
  ] as const)("goes to the origin alone that was called first: %s", async (_, token) => {
    const { client, url, issuer } = await world({ token, service: token });
    let stolen = 0;
    const elsewhere = await serve((_request, response) => {
      stolen++;
      response.end();
    });
    expect((await client.fetch(url)).status).toBe(200);
    const { minted } = issuer;
    const error = await failureOf(client.fetch(elsewhere.url));
    expect([error.code, error.fix]).toEqual(["host_mismatch", expect.stringContaining("audience")]);
    expect(await failureOf(client.headers(elsewhere.url.replace("http", "ws")))).toMatchObject({
      code: "host_mismatch",
    });
    expect([stolen, issuer.minted]).toEqual([0, minted]);
    expect((await client.headers(url.replace("http", "ws")))["Authorization"]).toMatch(/^OathMesh /);
  });

  test("goes to every host of the client's audience", async () => {
    const elsewhere = await serve((_request, response) => void response.end());
    const here = await serve((_request, response) => void response.end());
    const { client } = await world({ client: { audience: [elsewhere.host, here.host] } });
    for (const { url } of [elsewhere, here]) expect((await client.fetch(url)).status).toBe(200);
  });

  test.each([{}, { audience: "orders.example.com" }])("goes nowhere without TLS: %j", async (given) => {
    const { client, issuer } = await world({ client: given });
    const error = await failureOf(client.fetch("http://orders.example.com/"));
    expect([error.code, error.fix]).toEqual(["host_mismatch", expect.stringContaining("proof: true")]);
    expect(issuer.minted).toBe(0);
  });

  test.each([{ proof: true }, { bind: "request" }] as const)("is no bound one: %j", async (token) => {
    const called: string[] = [];
    const send: ClientOptions["fetch"] = async (url, init) => {
      if (url.startsWith("http://127.")) return fetch(url, init);
      called.push(url);
      return new Response();
    };
    const { client } = await world({ token, client: { fetch: send } });
    for (const host of ["one", "two"]) await client.fetch(`http://${host}.example.com/`);
    expect(called).toHaveLength(2);
  });
});

describe("an authority", () => {
  test("that refuses is quoted, with what mends it", async () => {
    const { client, url, issuer } = await world();
    issuer.answer = (_request, response) =>
      response
        .writeHead(403, { "Content-Type": "application/problem+json" })
        .end(
          JSON.stringify({ error: "policy_denied", detail: "No rule lets it.\u001b[2J", fix: "Add a rule." }),
        );
    const error = await failureOf(client.fetch(url));
    expect(error).toBeInstanceOf(AmeshError);
    expect([error.code, error.fix]).toEqual(["token_refused", "Add a rule."]);
    expect(error.message).toMatch(/403 "policy_denied": No rule lets it/);
    expect(error.message).not.toContain("\u001b");
  });

  test("that does not trust this device refuses", async () => {
    const { issuer, url } = await world();
    const stranger = createClient({
      identity: makeIdentity(),
      logger: silent,
      token: { authority: issuer.url, audience: "orders", action: "orders.write" },
    });
    onTestFinished(() => stranger.close());
    expect(await failureOf(stranger.fetch(url))).toMatchObject({ code: "token_refused" });
  });

  test("that is not there is unreachable", async () => {
    const { url, client } = await world({ token: { authority: `http://127.0.0.1:${await freePort()}` } });
    const error = await failureOf(client.fetch(url));
    expect([error.code, error.message]).toEqual([
      "authority_unreachable",
      expect.stringContaining("nothing listens"),
    ]);
  });

  const strange: readonly (readonly [string, Answer])[] = [
    ["breaks", (_, response) => response.writeHead(500).end("oops")],
    ["breaks off", (request) => request.socket.destroy()],
    ["redirects", (_, response) => response.writeHead(302, { Location: "/elsewhere" }).end()],
    ["says something else", (_, response) => response.end("<html>hello</html>")],
    ["gives no token", (_, response) => response.end('{"expires_in":60}')],
    ["gives what is none", (_, response) => response.end('{"token":"a b","expires_in":60}')],
    ["gives no life", (_, response) => response.end('{"token":"a.b.c"}')],
    [
      "gives a life twice",
      (_, response) => response.end('{"token":"a.b.c","expires_in":60,"expires_in":600}'),
    ],
    [
      "says too much",
      (_, response) => response.end(`{"token":"a.b.c","expires_in":60,"x":"${"x".repeat(70_000)}"}`),
    ],
  ];

  test.each(strange)("that %s gives no token, and nothing is sent", async (_, answer) => {
    let called = 0;
    const { client, url, issuer } = await world({
      before: (_request, response) => {
        called++;
        response.end();
      },
    });
    issuer.answer = answer;
    const { code } = await failureOf(client.fetch(url));
    expect(["authority_unreachable", "token_refused"]).toContain(code);
    expect(called).toBe(0);
  });

  test("whatever the answer: a token or an error of the catalogue", async () => {
    const { client, url, issuer } = await world({ before: (_request, response) => response.end() });
    let body = "";
    let status = 200;
    issuer.answer = (_request, response) => response.writeHead(status).end(body);
    const near = fc.record({
      token: fc.anything(),
      expires_in: fc.anything(),
      error: fc.anything(),
      fix: fc.anything(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => JSON.stringify(value)),
          near.map((value) => JSON.stringify(value) ?? ""),
        ),
        fc.constantFrom(200, 400, 403, 429, 500),
        async (text, code) => {
          [body, status] = [text, code];
          const outcome = await client.fetch(url).catch((error) => error);
          expect(outcome instanceof Response || outcome instanceof AmeshError).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("options of tokens", () => {
  const good: ClientTokenOptions = {
    authority: "https://tokens.example.com",
    audience: "orders",
    action: "orders.write",
  };

  test.each([
    ["a misspelt one", { audiense: "x" }],
    ["no action", { action: undefined }],
    ["plain HTTP", { authority: "http://tokens.example.com" }],
    ["no URL", { authority: "tokens" }],
    ["a life of no seconds", { ttlSeconds: 0 }],
    ["a life of six minutes", { ttlSeconds: 360 }],
    ["a binding there is not", { bind: "body" }],
    ["a use there is not", { tokenUse: "twice" }],
    ["one request, again and again", { bind: "request", tokenUse: "until-expiry" }],
    ["scopes as one text", { scope: "orders:rw" }],
  ])("%s is a TypeError", (_, options) => {
    const token = { ...good, ...options } as unknown as ClientTokenOptions;
    expect(() => createClient({ token })).toThrow(TypeError);
  });

  test("good ones are none", () => {
    expect(() => createClient({ token: good })).not.toThrow();
  });
});
