import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type IncomingRequest, InMemoryNonceStore } from "@authmesh/core";
import { createTokenVerifier, importIssuerKey, type JwkSet, staticKeys } from "@authmesh/oath";
import { describe, expect, it } from "vitest";
import { makeOathVectors, type OathVector, type OathVectors } from "./make-oath-vectors.js";
import { askPython } from "./python-peer.js";

const file = fileURLToPath(new URL("vectors/oath-1.json", import.meta.url));
const made = makeOathVectors();
const vectors: OathVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;
const { issuer, audience, host } = vectors;
const jwks = vectors.jwks as unknown as JwkSet;

function receive({ request, token }: OathVector): IncomingRequest | undefined {
  if (request === undefined) return undefined;
  const { method, target, body } = request;
  const headers: Readonly<Record<string, string>> = {
    ...request.headers,
    authorization: `OathMesh ${token}`,
  };
  return {
    method,
    target,
    headers: (name) => [headers[name]].filter((value) => value !== undefined),
    hasBody: body !== undefined,
    bodyHash: async (_, algorithm = "sha256") =>
      createHash(algorithm)
        .update(Buffer.from(body ?? "", "base64"))
        .digest("hex"),
  };
}

async function verdictOn(vector: OathVector): Promise<string> {
  const verifier = createTokenVerifier({
    audience,
    trustedIssuers: [issuer],
    keys: staticKeys({ [issuer]: jwks }),
    replay: new InMemoryNonceStore(),
    policy: "none",
    hosts: host,
    now: () => vector.now * 1000,
  });
  const decision = await verifier.verify(vector.token, receive(vector));
  return decision.allowed ? "accepted" : `${decision.failure.step} ${decision.failure.error}`;
}

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

describe("the verifier agrees with the vectors", () => {
  it.each(vectors.tokens)("on the token with $name: $expected", async (vector) => {
    expect(await verdictOn(vector)).toBe(vector.expected);
  });

  it("on the keys", () => {
    for (const jwk of vectors.jwks.keys) expect(importIssuerKey(jwk).key?.kid).toBe(jwk["kid"]);
  });
});

describe("a verifier in Python, written from docs/protocol.md, section 8, alone", () => {
  it("agrees with the vectors that need no request", async () => {
    const alone = vectors.tokens.filter(({ request }) => request === undefined);
    const lines = alone.map(({ token, now }) => ({ token, now, issuer, audience, jwks }));
    const answers = await askPython<{ ok: boolean }>([], lines, "read_token.py");
    expect(answers.map(({ ok }, i) => `${alone[i]?.name}: ${ok}`)).toEqual(
      alone.map(({ name, expected }) => `${name}: ${expected === "accepted"}`),
    );
  });
});
