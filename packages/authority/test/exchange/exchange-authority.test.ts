import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { InMemoryNonceStore } from "@authmesh/core";
import { createJwksSource, createTokenVerifier } from "@authmesh/oath";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FailingAudit } from "../failing-audit.js";
import { RunningAuthority } from "../running-authority.js";
import { temporaryFolder } from "../stores.js";
import { gitHubClaims, newKey, OidcProvider } from "./oidc-provider.js";

const key = newKey("gh-2026-01");
const audience = "https://api.example";
let gitHub: OidcProvider;
beforeEach(async () => {
  gitHub = await OidcProvider.start([key], onTestFinished);
});

const idToken = (authority: string) =>
  gitHub.token(gitHubClaims(gitHub.issuer, Math.floor(Date.now() / 1000), { aud: authority }));

async function exchange(authority: string, subjectToken: string) {
  const response = await fetch(`${authority}/v1/token/exchange`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      subject_token: subjectToken,
      audience,
      action: "orders.write",
    }),
  });
  return { status: response.status, body: await response.json() };
}

function writePolicy(dir: string, repositoryId: string): void {
  const grant = { sub: "svc://ci/{repository}", aud: audience, act: "orders.write" };
  const rules = [
    { name: "deploy", provider: "github-actions", match: { repository_id: repositoryId }, grant },
  ];
  const providers = [{ preset: "github-actions", issuer: gitHub.issuer }];
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, exchange: { providers, rules } }));
}

describe("an authority that exchanges tokens", () => {
  it("gives a job a token that verifiers take by its published keys, and remembers over a restart", async () => {
    const dir = temporaryFolder(onTestFinished);
    const first = await RunningAuthority.start({ dir });
    writePolicy(dir, "74");
    const token = await idToken(first.url);
    await vi.waitUntil(() => first.events.some(({ type }) => type.endsWith("policy.reloaded")), 5000);
    const { status, body } = await exchange(first.url, token);
    expect(status).toBe(200);
    const keys = createJwksSource({ issuers: [first.url] });
    onTestFinished(() => keys.close());
    const replay = new InMemoryNonceStore();
    const options = { audience, trustedIssuers: [first.url], keys, replay, policy: "none" } as const;
    const verifier = createTokenVerifier(options);
    expect(await verifier.verify(body.access_token)).toMatchObject({
      allowed: true,
      caller: { principal: { subject: "svc://ci/octo-org/octo-repo" } },
    });
    expect(await verifier.verify(body.access_token)).toMatchObject({ failure: { code: "replay_detected" } });

    await first.authority.close();
    expect(first.events.map(({ type }) => type)).toContain("dev.authmesh.token.exchanged");
    const again = await RunningAuthority.start({ dir, issuer: first.url });
    writePolicy(dir, "74");
    await vi.waitUntil(() => again.events.some(({ type }) => type.endsWith("policy.reloaded")), 5000);
    const listening = `http://127.0.0.1:${new URL(again.url).port}`;
    expect(await exchange(listening, token)).toMatchObject({
      status: 400,
      body: { error: "replay_detected" },
    });
    expect((await exchange(listening, await idToken(first.url))).status).toBe(200);
  });

  it("gives no job a token that a required audit cannot tell of", async () => {
    const dir = temporaryFolder(onTestFinished);
    const audit = new FailingAudit();
    const running = await RunningAuthority.start({ dir, audit: audit.required });
    writePolicy(dir, "74");
    await vi.waitUntil(() => audit.events.some(({ type }) => type.endsWith("policy.reloaded")), 5000);
    const [first, second] = [await idToken(running.url), await idToken(running.url)];
    const refused = await audit.during("dev.authmesh.token.exchanged", () => exchange(running.url, first));
    expect(refused).toMatchObject({ status: 503, body: { error: "audit_unavailable", step: "mint" } });
    expect((await exchange(running.url, second)).status).toBe(200);
  });

  it("gives no job a token of a subject that is revoked, and counts what it refuses", async () => {
    const dir = temporaryFolder(onTestFinished);
    const running = await RunningAuthority.start({ dir });
    writePolicy(dir, "74");
    await vi.waitUntil(() => running.events.some(({ type }) => type.endsWith("policy.reloaded")), 5000);
    const { store } = running.authority.state;
    const entry = { by: "sub", value: "svc://ci/octo-org/octo-repo" } as const;
    await store.addRevocation({ ...entry, reason: "lost", actor: "test", at: 1 });
    expect(await exchange(running.url, await idToken(running.url))).toMatchObject({
      status: 403,
      body: { error: "revoked", step: "mint" },
    });
    // That of the revocation may come after it: whoever changes the list by the store waits for no audit.
    expect(running.events.find(({ type }) => type === "dev.authmesh.token.refused")).toMatchObject({
      data: { code: "revoked", step: "mint" },
    });
    await fetch(`${running.url}/v1/token/exchange`, { method: "POST", body: "x" });
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    for (const code of ["revoked", "exchange_request_invalid"])
      expect(metrics).toContain(`refusals_total{code="${code}"} 1`);
    await store.removeRevocation({ ...entry, actor: "am_x", at: 2 });
    expect((await exchange(running.url, await idToken(running.url))).status).toBe(200);
  });

  it("exchanges nothing before its policy says so", async () => {
    const running = await RunningAuthority.start();
    expect(await exchange(running.url, await idToken(running.url))).toMatchObject({
      status: 403,
      body: { error: "exchange_denied" },
    });
  });
});
