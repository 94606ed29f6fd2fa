import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createExchange, exchangeRoute, readExchangeConfig } from "@authmesh/authority";
import { InMemoryNonceStore } from "@authmesh/core";
import {
  createEd25519Signer,
  createTokenVerifier,
  mintToken,
  readToken,
  requestHashOf,
  staticKeys,
} from "@authmesh/oath";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { gitHubClaims, newKey, OidcProvider } from "../../authority/test/exchange/oidc-provider.js";
import { type Result, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const audience = "https://api.example";
const signer = createEd25519Signer(new Uint8Array(32).fill(7));
const job = new TestMachine();
const closing: (() => Promise<void>)[] = [];
let provider: OidcProvider;
let authority: string;

async function serve(listener: RequestListener): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

beforeAll(async () => {
  provider = await OidcProvider.start([newKey("ci-1")], (stop) => void closing.push(stop));
  const app = new Hono();
  const server = await serve(getRequestListener(app.fetch));
  authority = server.url;
  closing.push(server.close);
  const nonces = new InMemoryNonceStore();
  const grant = { sub: "svc://ci/{repository}", aud: audience, act: "orders.write", scope: ["orders:write"] };
  const config = readExchangeConfig({
    providers: [{ preset: "github-actions", issuer: provider.issuer }],
    rules: [{ name: "deploy", provider: "github-actions", match: { repository_id: 74 }, grant }],
  });
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const exchange = createExchange({ config, issuer: authority, nonces });
  app.post(
    "/v1/token/exchange",
    ...exchangeRoute({
      exchange: () => exchange,
      issuer: authority,
      mint: (claims, ttlSeconds) => mintToken(claims, { issuer: authority, signer, ttlSeconds }),
      onEvent() {},
      logger: silent,
      now: Date.now,
    }),
  );
});
afterAll(async () => {
  for (const close of closing) await close();
  job.remove();
});

const idToken = (aud = authority, changes = {}) =>
  provider.token(gitHubClaims(provider.issuer, Math.floor(Date.now() / 1000), { aud, ...changes }));

const exchange = (args: readonly string[], env: Record<string, string> = {}, input?: string) =>
  job.run(
    ["token", "exchange", "--authority", authority, "--aud", audience, "--act", "orders.write", ...args],
    input === undefined ? { env } : { env, input },
  );

const outcome = (result: Result) => ({ status: result.status, code: documentOf(result).error.code });

/** Gives ID tokens to whoever has the job's secret, as GitHub's runner service does. */
async function gitHubRunner(): Promise<Record<string, string>> {
  const { url, close } = await serve(async (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://x");
    if (request.headers.authorization !== "Bearer runner-secret" || searchParams.get("api-version") !== "2.0")
      return void response.writeHead(401).end();
    const value = await idToken(searchParams.get("audience") ?? "https://github.com/octo-org");
    response.end(JSON.stringify({ count: value.length, value }));
  });
  onTestFinished(close);
  return {
    GITHUB_ACTIONS: "true",
    ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/idtoken?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-secret",
  };
}

describe("amesh token exchange", () => {
  it("asks GitHub for an ID token, and prints a token that works once and nothing else", async () => {
    const { status, stdout, stderr } = await exchange(["--scope", "orders:write"], await gitHubRunner());
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const verifier = createTokenVerifier({
      audience,
      trustedIssuers: [authority],
      keys: staticKeys({ [authority]: { keys: [signer.publicJwk] } }),
      replay: new InMemoryNonceStore(),
      policy: "none",
    });
    const token = stdout.trim();
    expect(await verifier.verify(token)).toMatchObject({
      allowed: true,
      caller: { action: "orders.write", source: { repo: "octo-org/octo-repo" } },
    });
    expect(await verifier.verify(token)).toMatchObject({ failure: { code: "replay_detected" } });
  });

  it("takes the ID token out of a variable, as GitLab has it", async () => {
    const plain = await exchange([], { AMESH_ID_TOKEN: await idToken() });
    expect(plain.status).toBe(0);
    const named = await exchange(["--oidc-token-variable", "MY_TOKEN", "--json", "--ttl", "60"], {
      MY_TOKEN: await idToken(),
    });
    expect(documentOf(named)).toMatchObject({ schema: 1, tokenType: "OathMesh", expiresInSeconds: 60 });
  });

  it("takes the ID token out of a file, or standard input", async () => {
    const file = join(job.folder, "id-token");
    writeFileSync(file, `${await idToken()}\n`);
    const bindings = ["--rqh", `sha256:${"0".repeat(64)}`, "--cnf", "A".repeat(43)];
    const { stdout } = await exchange(["--oidc-token-file", file, ...bindings]);
    const { claims } = readToken(stdout.trim());
    expect(claims).toMatchObject({ rqh: bindings[1], cnf: { jkt: bindings[3] } });
    expect((await exchange(["--oidc-token-file", "-"], {}, await idToken())).status).toBe(0);
  });

  it("binds the token to the request that it is told of", async () => {
    const variable = { AMESH_ID_TOKEN: await idToken() };
    const { stdout } = await exchange(["--url", "https://api.example.com/o", "--method", "DELETE"], variable);
    const request = { method: "DELETE", url: new URL("https://api.example.com/o") };
    expect(readToken(stdout.trim()).claims?.rqh).toBe(requestHashOf(request));
    const twice = await exchange(["--oidc-token-file", "-", "--url", "https://a.example", "--body", "-"]);
    expect(twice).toEqual({ status: 2, ...failed("invalid_option", "Put one of them into a file") });
  });

  it("says what the authority says when it refuses", async () => {
    const stranger = await idToken(authority, { repository_id: "99" });
    const result = await exchange(["--json"], { AMESH_ID_TOKEN: stranger });
    expect(outcome(result)).toEqual({ status: 3, code: "exchange_denied" });
    const used = await idToken();
    await exchange([], { AMESH_ID_TOKEN: used });
    expect(outcome(await exchange(["--json"], { AMESH_ID_TOKEN: used }))).toEqual({
      status: 3,
      code: "replay_detected",
    });
    const elsewhere = await exchange(["--oidc-audience", "https://other.example"], await gitHubRunner());
    expect(elsewhere.stderr).toContain(`exactly the audience ${authority}. `.trim());
    expect(elsewhere.stdout).toBe("");
  });

  it.each<[where: string, env: Record<string, string>, fix: string]>([
    ["in GitHub Actions without the permission", { GITHUB_ACTIONS: "true" }, "permissions: id-token: write"],
    ["in GitLab without id_tokens", { GITLAB_CI: "true" }, "id_tokens: { AMESH_ID_TOKEN: { aud:"],
    ["anywhere else", {}, "--oidc-token-file"],
  ])("says what is missing %s", async (_, env, fix) => {
    const { status, stderr } = await exchange([], env);
    expect(status).toBe(4);
    expect(stderr).toContain("oidc_token_unavailable");
    expect(stderr).toContain(fix);
  });

  it("shows no foreign text that moves the cursor", async () => {
    const { url, close } = await serve((_, response) =>
      response
        .writeHead(403)
        .end(JSON.stringify({ error: "exchange_denied", detail: "\u001b[2J", fix: "\u001b[1A" })),
    );
    onTestFinished(close);
    const { status, stderr } = await exchange(["--authority", url], { AMESH_ID_TOKEN: "a.b.c" });
    expect(status).toBe(3);
    expect(stderr).not.toContain("\u001b");
  });

  it("says what cannot be reached, and what cannot be read", async () => {
    const away = await exchange(["--authority", "http://127.0.0.1:1", "--json"], { AMESH_ID_TOKEN: "a.b.c" });
    expect(outcome(away)).toEqual({ status: 5, code: "service_unreachable" });
    const open = await exchange(["--authority", "http://authority.example", "--json"], {
      AMESH_ID_TOKEN: "a.b.c",
    });
    expect(outcome(open)).toEqual({ status: 2, code: "invalid_option" });
    const missing = await job.run(["token", "exchange", "--authority", authority, "--json"]);
    expect(outcome(missing)).toEqual({ status: 2, code: "input_required" });
    const both = await exchange(["--oidc-token-file", "x", "--oidc-token-variable", "Y", "--json"]);
    expect(outcome(both)).toEqual({ status: 2, code: "invalid_option" });
    const absent = await exchange(["--oidc-token-file", "/nowhere/token", "--json"]);
    expect(outcome(absent)).toEqual({ status: 1, code: "storage_failed" });
  });
});
