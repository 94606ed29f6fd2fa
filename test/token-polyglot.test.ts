import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InMemoryNonceStore, PrivateKey, type Signable, toBase64Url, utf8 } from "@authmesh/core";
import {
  createEd25519Signer,
  createP256Signer,
  createTokenVerifier,
  mintToken,
  staticKeys,
  type TokenSigner,
} from "@authmesh/oath";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const beside = (name: string) => fileURLToPath(new URL(`conformance/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "amesh-token-polyglot-"));
const goProgram = join(folder, "verify");
const jwksFile = join(folder, "jwks.json");
const issuer = "https://issuer.example.com";
const audience = "https://api.example.com";

const ed = createEd25519Signer(new Uint8Array(32).fill(1));
const es = createP256Signer(PrivateKey.fromBytes(new Uint8Array(32).fill(2)));
const jwks = { keys: [ed.publicJwk, es.publicJwk] };
const now = Math.floor(Date.now() / 1000);
const claims = { sub: "svc://billing/worker", aud: audience, act: "orders.write" };
const goodPayload = { ...claims, iss: issuer, iat: now, exp: now + 120, jti: "a-jti-of-the-polyglots" };

/** Signs whatever it is told to, as an issuer does that goes wrong. */
async function forge(
  payload: object | string,
  header: object = {},
  signer: TokenSigner = ed,
): Promise<string> {
  const { alg, kid } = signer.publicJwk;
  const parts = [{ alg, kid, typ: "om+jwt", ...header }, payload].map((part) =>
    toBase64Url(utf8(typeof part === "string" ? part : JSON.stringify(part))),
  );
  const input = parts.join(".");
  return `${input}.${toBase64Url(await signer.sign(utf8(input) as Signable))}`;
}
const claiming = (changes: object) => forge({ ...goodPayload, ...changes });
const raw = (member: string) => forge(JSON.stringify(goodPayload).replace(/}$/, `,${member}}`));
const cut = (token: string) => token.slice(0, token.lastIndexOf(".") + 1);

/** By the names that docs/guide/verification-rules.md gives them. */
const kinds: Readonly<Record<string, () => Promise<string>>> = {
  "a good token of EdDSA": async () => (await mintToken(claims, { issuer, signer: ed })).token,
  "a good token of ES256": async () => (await mintToken(claims, { issuer, signer: es })).token,
  "another payload under the same signature": async () => {
    const [a, b] = [(await forge(goodPayload)).split("."), (await claiming({ act: "x" })).split(".")];
    return [a[0], b[1], a[2]].join(".");
  },
  "`alg` none": async () => cut(await forge(goodPayload, { alg: "none" })),
  "`alg` HS256": () => forge(goodPayload, { alg: "HS256" }),
  "the algorithm of the other key": () => forge(goodPayload, { alg: "ES256" }),
  "a `kid` that is not published": () => forge(goodPayload, { kid: "x".repeat(43) }),
  "another issuer": () => claiming({ iss: "https://evil.example.com" }),
  "another audience": () => claiming({ aud: "https://other.example.com" }),
  "its time is over": () => claiming({ iat: now - 300, exp: now - 120 }),
  "it begins in the future": () => claiming({ iat: now + 200, exp: now + 300, nbf: now + 200 }),
  "no `exp`": () => claiming({ exp: undefined }),
  "another `typ`": () => forge(goodPayload, { typ: "JWT" }),
  "further members in the header, such as `jwk`": () =>
    forge(goodPayload, { jwk: { kty: "OKP", crv: "Ed25519", x: "AA" } }),
  "an unknown `crit`": () => forge(goodPayload, { crit: ["amesh"], amesh: 1 }),
  "`aud` a list": () => claiming({ aud: [audience, "https://other.example.com"] }),
  "a claim named twice": () => raw(`"act":"orders.delete"`),
  "a life of more than 300 s": () => claiming({ exp: now + 3600 }),
  "no `act`": () => claiming({ act: undefined }),
  "no `jti`": () => claiming({ jti: undefined }),
  "a `sub` of no kind": () => claiming({ sub: "billing" }),
  "bound to a request (`rqh`), and another one comes": () => claiming({ rqh: `sha256:${"0".repeat(64)}` }),
  "bound to a key (`cnf`), and nobody signed": () => claiming({ cnf: { jkt: ed.publicJwk.kid } }),
};

const guide = readFileSync(new URL("../docs/guide/verification-rules.md", import.meta.url), "utf8");
/** What the guide says: the kind, and what each of the others makes of it. */
const rows = guide
  .split("\n")
  .filter((line) => / (?:accepts|refuses) \|$/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, kind = "", amesh, python, go, java]) => ({ kind, amesh, python, go, java }));

const verifiers = {
  python: ["/usr/bin/python3", "-B", beside("verify_with_pyjwt.py")],
  go: [goProgram],
  java: ["java", "-cp", folder, "VerifyWithJdk"],
} as const;

/** Runs a program to its end. */
async function run(command: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<string> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...env }, timeout: 60_000 });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  child.stdin.end(input);
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${output}`);
  return output;
}

beforeAll(async () => {
  // As the issuer publishes them, over HTTP.
  const server = createServer((_, response) => response.end(JSON.stringify(jwks))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  writeFileSync(jwksFile, await (await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`)).text());
  server.close();
  const go = { GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOCACHE: join(folder, "go"), GOFLAGS: "" };
  await Promise.all([
    run(["go", "build", "-o", goProgram, beside("verify_with_go_jose.go")], "", go),
    run(["javac", "-d", folder, beside("VerifyWithJdk.java")]),
  ]);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("docs/guide/verification-rules.md", () => {
  it("has a row for every kind of token, good and bad", () => {
    expect(rows.map(({ kind }) => kind)).toEqual(Object.keys(kinds));
  });

  it.each(Object.keys(verifiers) as (keyof typeof verifiers)[])(
    "says rightly what %s makes of them",
    async (name) => {
      const tokens = await Promise.all(rows.map(({ kind }) => kinds[kind]?.()));
      const output = await run([...verifiers[name], jwksFile, issuer, audience], `${tokens.join("\n")}\n`);
      const answers = output.trim().split("\n");
      const said = { accepted: "accepts", refused: "refuses" } as Readonly<Record<string, string>>;
      expect(rows.map(({ kind }, i) => `${kind}: ${said[answers[i] ?? ""]}`)).toEqual(
        rows.map((row) => `${row.kind}: ${row[name]}`),
      );
    },
  );

  it("says rightly what we make of them", async () => {
    for (const { kind, amesh } of rows) {
      const verifier = createTokenVerifier({
        audience,
        trustedIssuers: [issuer],
        keys: staticKeys({ [issuer]: jwks }),
        replay: new InMemoryNonceStore(),
        policy: "none",
      });
      const { allowed } = await verifier.verify(await kinds[kind]?.());
      expect([kind, allowed ? "accepts" : "refuses"]).toEqual([kind, amesh]);
    }
  });
});
