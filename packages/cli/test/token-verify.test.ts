import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { requestHash, tokenSteps } from "@authmesh/oath";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openKeys } from "../src/token/token-keys.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";
import { audience, TestIssuer } from "./fixtures/token-issuer.js";

const machine = new TestMachine();
/** For keys that are wrong. */
const temporary = new TestMachine();
afterAll(() => {
  machine.remove();
  temporary.remove();
});
const issuer = new TestIssuer();
const jwks = issuer.writeKeys(machine.folder);

/** With the issuer's keys from a file. */
const verify = (token: string, ...args: string[]) =>
  machine.run(
    ["token", "verify", "-", "--audience", audience, "--issuer", issuer.url, "--jwks", jwks, ...args],
    { input: token },
  );

describe("amesh token verify", () => {
  it("accepts a good token with the keys that its issuer publishes", async () => {
    const online = await TestIssuer.serve();
    const args = ["token", "verify", "-", "--audience", audience, "--issuer", online.url];
    const input = await online.mint();
    const { status, stdout, stderr } = await machine.run(args, { input });
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: expect.stringMatching(
        /^✔ Accepted: svc:\/\/billing\/worker for orders\.write at https:\/\/api\.example\.com; expires in \d+ (s|min)\.\n$/,
      ),
      stderr:
        "Not asked here: whether the issuer revoked it; whether it was used before; what a policy says.\n",
    });
    const elsewhere = [...args, "--jwks", `${online.url}/nothing-here`];
    expect(await machine.run(elsewhere, { input })).toEqual({
      status: 5,
      ...failed("issuer_unreachable", "Check that the issuer runs"),
    });
  });

  it("refuses with the step, the reason and what mends it", async () => {
    const good = await issuer.mint();
    const other = await new TestIssuer().mint();
    const old = await issuer.mint({}, { now: () => Date.now() - 600_000 });
    const cases: readonly (readonly [string, string, number, RegExp])[] = [
      [`${good.slice(0, -4)}AAAA`, "signature_invalid", 3, /Step 8: /],
      [other, "key_unknown", 3, /Step 7: /],
      [old, "token_expired", 4, /Step 9: /],
      [await issuer.mint({ aud: "https://other.example" }), "audience_mismatch", 3, /Step 11: /],
      [await new TestIssuer("https://evil.example").mint(), "issuer_untrusted", 3, /Step 4: /],
      ["nonsense", "token_malformed", 3, /Step 1: /],
    ];
    const results = await Promise.all(cases.map(([token]) => verify(token)));
    for (const [i, [, code, status, step]] of cases.entries()) {
      expect(results[i]).toEqual({ status, ...failed(code, /./) });
      expect(results[i]?.stderr).toMatch(step);
    }
    expect(results[4]?.stderr).toContain("--issuer URL");
  });

  it("explains every step", async () => {
    const { status, stdout } = await verify(await issuer.mint({ aud: "https://other.example" }), "--explain");
    expect(status).toBe(3);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.trim().replace(/ {2,}/g, " ")),
    ).toEqual([
      "1 structure passed",
      "2 header passed",
      "3 payload passed",
      "4 issuer passed",
      "5 claims passed",
      "6 subject passed",
      "7 key passed",
      "8 signature passed",
      "9 lifetime passed",
      "10 start passed",
      "11 audience refused",
      'The token is for "https://other.example".',
      "Get a token whose aud is this service's, letter by letter.",
      "12 binding not reached",
      "9 lifetime not reached",
      "13.5 revocation not reached",
      "13 replay not reached",
      "14 policy not reached",
    ]);
  });

  it("says of a step that nobody answered that it was not asked", async () => {
    const { accepted, steps, notAsked, claims } = documentOf(await verify(await issuer.mint(), "--json"));
    expect(accepted).toBe(true);
    expect(claims).toMatchObject({ sub: "svc://billing/worker", aud: audience });
    expect(notAsked).toEqual(["revocation", "replay", "policy"]);
    expect(steps).toHaveLength(tokenSteps.length);
    for (const { name, outcome } of steps)
      expect(outcome).toBe(notAsked.includes(name) ? "not asked" : "passed");
  });

  it("tells claims that nobody signed from those that somebody did", async () => {
    const good = await issuer.mint({ aud: "https://other.example" });
    const refused = { accepted: false, claims: { sub: "svc://billing/worker" } };
    const unsigned = documentOf(await verify(`${good.slice(0, -4)}AAAA`, "--json"));
    expect(unsigned).toMatchObject({
      ...refused,
      verified: false,
      error: { code: "signature_invalid", step: 8 },
    });
    const signed = documentOf(await verify(good, "--json"));
    expect(signed).toMatchObject({
      ...refused,
      verified: true,
      error: { code: "audience_mismatch", step: 11 },
    });
  });

  it("asks the policy it is given", async () => {
    const folder = join(machine.folder, "policies");
    mkdirSync(folder, { recursive: true });
    const rule = { name: "billing", effect: "allow", subject: "svc://billing/*", action: "orders.*" };
    writeFileSync(join(folder, "a.json"), JSON.stringify({ version: 1, rules: [rule] }));
    const [allowed, denied, missing] = await Promise.all([
      verify(await issuer.mint(), "--policy", folder),
      verify(await issuer.mint({ act: "users.delete" }), "--policy", folder),
      verify(await issuer.mint(), "--policy", join(folder, "none.json")),
    ]);
    expect(allowed.stdout).toContain('by the rule "billing"');
    expect(allowed.stderr).not.toContain("policy");
    expect(denied).toEqual({ status: 3, ...failed("policy_denied", "amesh policy explain") });
    expect(missing).toEqual({ status: 1, ...failed("storage_failed", /./) });
  });

  it("verifies a token that is bound to a request, with that request alone", async () => {
    const body = '{"amount":100}';
    const file = join(machine.folder, "order.json");
    writeFileSync(file, body);
    const rqh = requestHash({
      method: "POST",
      host: "api.example.com",
      target: "/orders?b=2",
      contentType: "application/json",
      bodyHash: createHash("sha256").update(body).digest("hex"),
    });
    const token = await issuer.mint({ rqh });
    const bound = ["--url", "https://api.example.com/orders?b=2", "--method", "POST", "--body", file];
    const [whole, otherType, none] = await Promise.all([
      verify(token, ...bound, "--content-type", "application/json"),
      verify(token, ...bound, "--content-type", "text/plain"),
      verify(token),
    ]);
    expect(whole.status).toBe(0);
    expect(otherType).toEqual({ status: 3, ...failed("binding_mismatch", /./) });
    expect(none).toEqual({ status: 3, ...failed("binding_mismatch", "Give the request: --url") });
  });

  it("says of a token that is bound to a key how far it is good", async () => {
    const token = await issuer.mint({ cnf: { jkt: "a".repeat(43) } });
    expect(await verify(token, "--url", audience)).toEqual({
      status: 3,
      ...failed("binding_mismatch", "up to this step the token is good"),
    });
  });

  it.each<[string, readonly string[], string]>([
    ["no audience", ["--issuer", issuer.url], "--audience is missing"],
    ["no issuer", ["--audience", audience], "--issuer is missing"],
    ["an issuer in the clear", ["--audience", audience, "--issuer", "http://issuer.example.com"], "https"],
    [
      "keys of two issuers in one file",
      ["--audience", audience, "--issuer", issuer.url, "--issuer", "https://b.example", "--jwks", jwks],
      "one --issuer",
    ],
    [
      "a request without its URL",
      ["--audience", audience, "--issuer", issuer.url, "--jwks", jwks, "--method", "POST"],
      "--url",
    ],
    [
      "a body in the place of the token",
      ["--audience", audience, "--issuer", issuer.url, "--jwks", jwks, "--url", audience, "--body", "-"],
      "either the token or the body",
    ],
  ])("refuses %s", async (_, args, problem) => {
    const { status, stderr } = await machine.run(["token", "verify", "-", ...args], { input: "x" });
    expect(status).toBe(2);
    expect(stderr).toContain(problem);
    expect(stderr).toContain("(invalid_option)");
  });
});

describe("a file of keys", () => {
  const open = (keys: unknown) => openKeys([issuer.url], issuer.writeKeys(temporary.folder, keys));
  const { kid } = issuer.signer.publicJwk;

  it("is used as far as it can be", async () => {
    const keys = await open({ keys: [{ kty: "RSA" }, 7, issuer.signer.publicJwk] });
    expect(await keys.find(issuer.url, kid)).toMatchObject({ kid, alg: "EdDSA" });
    expect(await keys.find(issuer.url, "other")).toBeUndefined();
  });

  it.each([
    [{ keys: [{ kty: "RSA" }] }, /neither a key of Ed25519 nor one of P-256/],
    [{ keys: [] }, /it is empty/],
    [["keys"], /is not a JWK Set/],
    [{ keys: {} }, /is not a JWK Set/],
  ])("without any key for tokens is refused: %j", async (keys, problem) => {
    await expect(open(keys)).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringMatching(problem),
    });
  });

  it("whatever it holds: keys, or an error of the catalogue", async () => {
    const member = fc.oneof(fc.jsonValue(), fc.constant({ ...issuer.signer.publicJwk }));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.record({ keys: fc.array(member) })), async (value) => {
        await open(value).catch((error) => expect(error).toBeInstanceOf(AmeshError));
      }),
    );
  });
});
