import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryNonceStore } from "@authmesh/core";
import { createIdentity, openIdentity } from "@authmesh/keystore";
import { createRemoteSigner, createTokenVerifier, mintToken, staticKeys } from "@authmesh/oath";
import { expect, onTestFinished, test } from "vitest";

test("a machine's identity, wherever its key is kept, signs tokens", async () => {
  const folder = mkdtempSync(join(tmpdir(), "amesh-token-key-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const options = { dir: join(folder, "amesh"), env: {} };
  await createIdentity({ friendlyName: "issuer", ...options });
  const issuer = "https://issuer.example.com";
  const signer = createRemoteSigner(await openIdentity(options));
  const claims = { sub: "svc://billing/worker", aud: "https://api.example.com", act: "orders.write" };
  const { token } = await mintToken(claims, { issuer, signer });
  const verifier = createTokenVerifier({
    audience: claims.aud,
    trustedIssuers: [issuer],
    keys: staticKeys({ [issuer]: { keys: [signer.publicJwk] } }),
    replay: new InMemoryNonceStore(),
    policy: "none",
  });
  expect(await verifier.verify(token)).toMatchObject({ allowed: true, claims });
});
