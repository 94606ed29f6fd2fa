import type { AddressInfo } from "node:net";
import {
  AmeshError,
  type AuditEvent,
  InMemoryNonceStore,
  type JsonObject,
  parseStrictJson,
} from "@authmesh/core";
import { createEd25519Signer, createTokenVerifier, mintToken, staticKeys } from "@authmesh/oath";
import { serve } from "@hono/node-server";
import fc from "fast-check";
import { Hono } from "hono";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createExchange } from "../../src/exchange/exchange.js";
import { readExchangeConfig } from "../../src/exchange/exchange-config.js";
import { exchangeRoute } from "../../src/exchange/exchange-route.js";
import { gitHubClaims, newKey, OidcProvider } from "./oidc-provider.js";

const key = newKey("gh-2026-01");
const signer = createEd25519Signer(new Uint8Array(32).fill(7));
let gitHub: OidcProvider;
let issuer: string;
let events: AuditEvent[];
let logged: string[];
let mintFails: AmeshError | undefined;
let auditFails: AmeshError | undefined;

beforeEach(async () => {
  events = [];
  logged = [];
  mintFails = undefined;
  auditFails = undefined;
  gitHub = await OidcProvider.start([key], onTestFinished);
  const app = new Hono();
  const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const exchange = createExchange({ config: config(), issuer, nonces: new InMemoryNonceStore() });
  onTestFinished(() => exchange.close());
  const log = (message: string, fields?: object) => void logged.push(`${message} ${JSON.stringify(fields)}`);
  app.post(
    "/v1/token/exchange",
    ...exchangeRoute({
      exchange: () => exchange,
      issuer,
      async mint(claims, ttlSeconds) {
        if (mintFails !== undefined) throw mintFails;
        return mintToken(claims, { issuer, signer, ttlSeconds });
      },
      async onEvent(event) {
        if (auditFails !== undefined && event.type === "dev.authmesh.token.exchanged") throw auditFails;
        events.push(event);
      },
      logger: { debug: log, info: log, warn: log, error: log },
      now: Date.now,
    }),
  );
});

const config = () =>
  readExchangeConfig({
    providers: [{ preset: "github-actions", issuer: gitHub.issuer }],
    rules: [
      {
        name: "deploy",
        provider: "github-actions",
        match: { repository_id: "74", ref: "refs/heads/main" },
        grant: {
          sub: "svc://ci/{repository}",
          aud: "https://api.example",
          act: "orders.write",
          scope: ["orders:write"],
        },
      },
    ],
  });

const idToken = (changes: object = {}) =>
  gitHub.token(gitHubClaims(gitHub.issuer, Math.floor(Date.now() / 1000), { aud: issuer, ...changes }));

const parameters = (subjectToken: string) => ({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
  subject_token: subjectToken,
  audience: "https://api.example",
  action: "orders.write",
});

async function post(body: BodyInit, headers: Record<string, string> = {}) {
  const response = await fetch(`${issuer}/v1/token/exchange`, { method: "POST", body, headers });
  const text = await response.text();
  return { response, body: parseStrictJson(text).value as JsonObject };
}
const exchanged = async (changes: Record<string, string> = {}, token?: string) =>
  post(new URLSearchParams({ ...parameters(token ?? (await idToken())), ...changes }));

describe("POST /v1/token/exchange", () => {
  it("answers as RFC 8693 has it, with a token that a verifier accepts once", async () => {
    const { response, body } = await exchanged({ scope: "orders:write", ttl: "60" });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_type: "OathMesh",
      expires_in: 60,
      scope: "orders:write",
    });
    const verifier = createTokenVerifier({
      audience: "https://api.example",
      trustedIssuers: [issuer],
      keys: staticKeys({ [issuer]: { keys: [signer.publicJwk] } }),
      replay: new InMemoryNonceStore(),
      policy: "none",
    });
    expect(await verifier.verify(body["access_token"] as string)).toMatchObject({
      allowed: true,
      caller: {
        principal: { subject: "svc://ci/octo-org/octo-repo", issuer },
        action: "orders.write",
        scopes: ["orders:write"],
        source: { type: "github-actions", repo: "octo-org/octo-repo", ref: "refs/heads/main" },
      },
    });
    expect(await verifier.verify(body["access_token"] as string)).toMatchObject({
      allowed: false,
      failure: { code: "replay_detected" },
    });
  });

  it("records what was exchanged for what, and neither of the tokens", async () => {
    const token = await idToken({ jti: "gh-recorded" });
    const { body } = await exchanged({}, token);
    const sub = "repo:octo-org/octo-repo:environment:prod";
    expect(events).toMatchObject([
      {
        type: "dev.authmesh.token.exchanged",
        source: issuer,
        subject: sub,
        proven: true,
        data: {
          rule: "deploy",
          job: { iss: gitHub.issuer, sub, jti: "gh-recorded" },
          token: { sub: "svc://ci/octo-org/octo-repo", act: "orders.write" },
        },
      },
    ]);
    for (const secret of [token, body["access_token"] as string])
      expect(JSON.stringify([events, logged])).not.toContain(secret.split(".")[2]);
  });

  it("answers a refusal with a problem document that names the step, and records it", async () => {
    const { response, body } = await exchanged({}, await idToken({ ref: "refs/heads/x" }));
    expect(response.status).toBe(403);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(body).toMatchObject({ status: 403, error: "exchange_denied", step: "rule" });
    expect(Object.keys(body).sort()).toEqual([
      "decision",
      "detail",
      "error",
      "fix",
      "status",
      "step",
      "title",
    ]);
    expect(events).toMatchObject([
      {
        type: "dev.authmesh.token.refused",
        id: body["decision"],
        proven: true,
        data: { code: "exchange_denied", step: "rule", rules: [expect.stringContaining("deploy: its ref")] },
      },
    ]);
    expect(logged.join()).toContain(body["decision"]);
  });

  it("marks what an unverified token says", async () => {
    const forged = await gitHub.token(
      gitHubClaims(gitHub.issuer, Math.floor(Date.now() / 1000), { aud: issuer, jti: "forged" }),
      { ...newKey("x"), kid: key.kid },
    );
    const { response, body } = await exchanged({}, forged);
    expect([response.status, body["error"]]).toEqual([400, "signature_invalid"]);
    expect(events).toMatchObject([
      { proven: false, data: { unverified: { job: { iss: gitHub.issuer, jti: "forged" } } } },
    ]);
    expect(events[0]).not.toHaveProperty("subject");
    expect(events[0]?.data).not.toHaveProperty("job");
    expect(logged.join()).not.toContain("octo-org");
  });

  it.each<[kind: string, change: (form: URLSearchParams) => void, detail: string]>([
    ["that is misspelt", (form) => form.set("scop", "orders:read"), "Did you mean scope?"],
    [
      "that is given twice",
      (form) => form.append("audience", "https://other.example"),
      "audience is given twice",
    ],
    ["that is missing", (form) => form.delete("action"), "action is missing"],
    ["that is empty", (form) => form.set("subject_token", ""), "subject_token is empty"],
    ["of another grant", (form) => form.set("grant_type", "client_credentials"), "grant_type cannot be"],
    [
      "of another type of token",
      (form) => form.set("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
      "subject_token_type cannot be",
    ],
    [
      "that wants another type of token",
      (form) => form.set("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
      "requested_token_type cannot be",
    ],
    ["that wants a longer life", (form) => form.set("ttl", "301"), 'ttl cannot be "301"'],
    ["that wants no life", (form) => form.set("ttl", "0"), 'ttl cannot be "0"'],
    ["that is no hash", (form) => form.set("rqh", "sha256:AB"), "rqh cannot be"],
    ["that is no thumbprint", (form) => form.set("cnf", "abc"), "cnf cannot be"],
    ["that is no subject", (form) => form.set("sub", "root"), "sub cannot be"],
    ["named __proto__", (form) => form.set("__proto__", "x"), 'no parameter "__proto__"'],
  ])("refuses a parameter %s", async (_, change, detail) => {
    const form = new URLSearchParams(parameters(await idToken()));
    change(form);
    const { response, body } = await post(form);
    expect([response.status, body["error"], body["step"]]).toEqual([
      400,
      "exchange_request_invalid",
      "request",
    ]);
    expect(body["detail"]).toContain(detail);
  });

  it("refuses what is no form, and what is too long", async () => {
    const asJson = await post(JSON.stringify(parameters("x")), { "content-type": "application/json" });
    expect([asJson.response.status, asJson.body["error"]]).toEqual([400, "exchange_request_invalid"]);
    const huge = await post(new URLSearchParams(parameters("x".repeat(70_000))));
    expect([huge.response.status, huge.body["error"]]).toEqual([413, "payload_too_large"]);
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(16_384).fill(0x61)),
    });
    const endless = await fetch(`${issuer}/v1/token/exchange`, {
      method: "POST",
      body: stream,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      duplex: "half",
    } as RequestInit).then(
      ({ status }) => status,
      () => "cut",
    );
    expect([413, "cut"]).toContain(endless);
  });

  it("answers in problem documents, whatever the form", async () => {
    const names = fc.oneof(fc.constantFrom(...Object.keys(parameters(""))), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, fc.string())), async (pairs) => {
        const { response, body } = await post(new URLSearchParams(pairs));
        expect(response.status).toBe(400);
        expect(body["error"]).toBe("exchange_request_invalid");
      }),
      { numRuns: 50 },
    );
  });

  it("says when to come again while a provider is away, and nothing of why", async () => {
    const token = await idToken();
    await gitHub.server.stop();
    const { response, body } = await exchanged({}, token);
    expect([response.status, body["error"]]).toEqual([503, "issuer_unreachable"]);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(body["detail"]).not.toContain("127.0.0.1");
    expect(logged.join()).toContain("127.0.0.1");
  });

  it("gives no token that cannot be recorded", async () => {
    auditFails = new AmeshError("storage_failed");
    const { response, body } = await exchanged();
    expect([response.status, body["error"]]).toEqual([500, "storage_failed"]);
    expect(body).not.toHaveProperty("access_token");
  });

  it("refuses when the token cannot be minted", async () => {
    mintFails = new AmeshError("storage_failed", "/var/lib/secret cannot be read.");
    const { response, body } = await exchanged();
    expect([response.status, body["error"], body["step"]]).toEqual([500, "storage_failed", "mint"]);
    expect(JSON.stringify(body)).not.toContain("/var/lib");
    expect(events).toMatchObject([{ type: "dev.authmesh.token.refused", data: { code: "storage_failed" } }]);
  });
});
