import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, expect, it } from "vitest";
import type { VerifiedCaller } from "../src/admit/admission.js";
import { openCallerContext } from "../src/admit/caller-context.js";
import type { ContextSettings, RouteSettings } from "../src/config/settings.js";
import { routeOf, settingsOf } from "./fixtures/settings.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-context-"));
afterAll(() => rmSync(folder, { recursive: true }));

const caller: VerifiedCaller = {
  kind: "token",
  subject: "svc://billing/worker",
  device: "am_cOixWcOdI8-pLh4P",
  name: "Büro",
  action: "orders.write",
  scopes: ["orders:rw"],
  issuer: "https://tokens.example.com",
  tokenId: "01J9",
  decisionId: "3q2-7wAAAAAAAAAA",
};
const route = routeOf({ upstream: "orders", contextToken: true });

async function headersOf(
  given: Partial<RouteSettings> = {},
  token: Partial<ContextSettings["token"]> = {},
  who: VerifiedCaller | undefined = caller,
) {
  const context = settingsOf().context;
  const { headersFor, keys } = await openCallerContext({
    prefixes: ["X-AuthMesh-", "X-OathMesh-"],
    token: { ...context.token, ...token },
  });
  const request = { route: { ...route, ...given }, method: "POST", target: "/orders?b=2" };
  return { headers: new Map(await headersFor(request, { caller: who, watch: () => () => {} })), keys };
}

const told = {
  iss: "urn:authmesh:gateway",
  aud: "orders",
  sub: "svc://billing/worker",
  kind: "token",
  jti: "3q2-7wAAAAAAAAAA",
  htm: "POST",
  htp: "/orders?b=2",
  device: "am_cOixWcOdI8-pLh4P",
  name: "Büro",
  act: "orders.write",
  scope: ["orders:rw"],
  token_issuer: "https://tokens.example.com",
  token_id: "01J9",
};

it("signs who called and for which request, as jose verifies it", async () => {
  const { headers, keys } = await headersOf();
  const token = headers.get("X-AuthMesh-Context") ?? "";
  expect(headers.get("X-OathMesh-Context")).toBe(token);
  const keySet = createLocalJWKSet({ keys: keys.keys.map((key) => ({ ...key })) });
  const { payload, protectedHeader } = await jwtVerify(token, keySet, {
    issuer: "urn:authmesh:gateway",
    audience: "orders",
    typ: "amesh-context+jwt",
    algorithms: ["ES256"],
  });
  const { iat = 0, exp = 0, ...claims } = payload;
  expect(claims).toEqual(told);
  expect([exp - iat, protectedHeader.kid]).toEqual([30, keys.keys[0]?.kid]);
});

it("is verified by Python with PyJWT", async () => {
  const { headers, keys } = await headersOf();
  const program = `
import json, sys, jwt
token, jwks = sys.argv[1], json.loads(sys.argv[2])
key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
print(json.dumps(jwt.decode(token, key.key, algorithms=["ES256"], audience="orders", issuer="urn:authmesh:gateway")))
`;
  const args = ["-c", program, headers.get("X-AuthMesh-Context") ?? "", JSON.stringify(keys)];
  const { stdout } = await promisify(execFile)("/usr/bin/python3", args);
  expect(JSON.parse(stdout)).toMatchObject(told);
});

it("signs with the key of a file, that several gateways may share", async () => {
  const file = join(folder, "key.pem");
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  const [one, other] = [await headersOf({}, { keyFile: file }), await headersOf({}, { keyFile: file })];
  const { x, y } = publicKey.export({ format: "jwk" });
  expect(one.keys.keys).toEqual([
    { kty: "EC", crv: "P-256", x, y, alg: "ES256", use: "sig", kid: expect.any(String) },
  ]);
  expect(other.keys).toEqual(one.keys);
});

it("keeps its own key over changes of the configuration", async () => {
  expect((await headersOf()).keys).toEqual((await headersOf({}, { issuer: "urn:other" })).keys);
});

it("tells by headers, by a token, or not at all, as the route asks", async () => {
  const names = async (given: Partial<RouteSettings>) => [...(await headersOf(given)).headers.keys()];
  expect(await names({ contextHeaders: false })).toEqual(["X-AuthMesh-Context", "X-OathMesh-Context"]);
  expect(await names({ contextToken: false })).not.toContain("X-AuthMesh-Context");
  expect(await names({ contextToken: false, contextHeaders: false })).toEqual([]);
});

it("tells nothing of a caller that nobody verified", async () => {
  const context = await openCallerContext(settingsOf().context);
  const nobody = { caller: undefined, watch: () => () => {} };
  expect(await context.headersFor({ route, method: "GET", target: "/" }, nobody)).toEqual([]);
});

it("is for the audience that is configured, or for the route where there is no upstream", async () => {
  const audienceOf = async (...given: Parameters<typeof headersOf>) => {
    const [, payload = ""] = ((await headersOf(...given)).headers.get("X-AuthMesh-Context") ?? "").split(".");
    return JSON.parse(Buffer.from(payload, "base64url").toString()).aud;
  };
  expect(await audienceOf({}, { audience: "all" })).toBe("all");
  expect(await audienceOf({ upstream: undefined, name: "asked" })).toBe("asked");
});

const pemOf = (curve: string): string =>
  generateKeyPairSync("ec", { namedCurve: curve }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  }) as string;

it("refuses what is no P-256 key", async () => {
  const file = join(folder, "wrong.pem");
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  for (const text of [ed25519, pemOf("P-384"), "", "x".repeat(16_385), pemOf("P-256").slice(0, 100)]) {
    writeFileSync(file, text);
    await expect(headersOf({}, { keyFile: file })).rejects.toMatchObject({ code: "gateway_config_invalid" });
  }
  await expect(headersOf({}, { keyFile: join(folder, "none.pem") })).rejects.toMatchObject({
    code: "storage_failed",
  });
});

it("reads a key or says that it is none, whatever the bytes", async () => {
  const file = join(folder, "any.pem");
  const whole = pemOf("P-256");
  const broken = fc
    .tuple(fc.nat(whole.length - 1), fc.string({ unit: "binary", maxLength: 3 }))
    .map(([at, text]) => `${whole.slice(0, at)}${text}${whole.slice(at + 1)}`);
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: "binary" }), broken), async (text) => {
      writeFileSync(file, text);
      const outcome = await headersOf({}, { keyFile: file }).then(
        ({ keys }) => keys.keys.length,
        (error: { code?: string }) => error.code,
      );
      expect([1, "gateway_config_invalid"]).toContain(outcome);
    }),
    { numRuns: 50 },
  );
});
