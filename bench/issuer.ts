/** How many tokens a second does an authority mint, in its process and over HTTP, against signatures alone? */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "@authmesh/authority";
import { PrivateKey, signRequest } from "@authmesh/core";
import { addDevice } from "@authmesh/keystore";
import { createEd25519Signer, mintToken } from "@authmesh/oath";
import { compare, median, print, whole } from "./compare.js";

const signer = createEd25519Signer(randomBytes(32));
const claims = { sub: "svc://billing/worker", aud: "api.example.com", act: "orders.write" };
const { token } = await mintToken(claims, { issuer: "https://issuer.example.com", signer });
const { privateKey } = generateKeyPairSync("ed25519");
const input = Buffer.from(token.slice(0, token.lastIndexOf(".")));

await compare({
  question: "mintToken (EdDSA) against the signature alone",
  ours: async () => void (await mintToken(claims, { issuer: "https://issuer.example.com", signer })),
  peer: () => void sign(null, input, privateKey),
  peerName: "crypto.sign, Ed25519",
  calls: 200,
});

const dir = mkdtempSync(join(tmpdir(), "amesh-bench-"));
const rule = { name: "all", caller: "**", subject: "**", audience: "**", action: "**" };
writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [rule] }));
const port = await freePort();
const secret = randomBytes(32).toString("base64url");
const authority = await createAuthority({
  dir,
  port,
  env: { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret },
  limits: { caller: 10_000_000, address: 10_000_000 },
});
await authority.listen();
const device = PrivateKey.generate();
await authority.state.devices.update((draft) =>
  addDevice(draft, {
    publicKey: device.publicKey,
    friendlyName: "bench",
    role: "controller",
    status: "active",
    addedBy: "manual",
    bound: true,
    now: 0,
  }),
);

const url = new URL(`http://localhost:${port}/v1/token`);
const body = JSON.stringify(claims);
const key = {
  key: device.publicKey.base64,
  sign: async (message: Parameters<typeof device.sign>[0]) => device.sign(message),
};
const perRound = 300;
const rates: { readonly minted: number; readonly signed: number }[] = [];
for (let round = 0; round < 9; round++) {
  const authorizations: string[] = [];
  for (let i = 0; i < perRound; i++)
    authorizations.push(
      await signRequest({ method: "POST", url, contentType: "application/json", body }, key),
    );
  const minting = performance.now();
  await inParallel(authorizations, 16, mintOverHttp);
  const minted = (perRound / (performance.now() - minting)) * 1000;
  const signing = performance.now();
  for (let i = 0; i < perRound; i++) sign(null, input, privateKey);
  rates.push({ minted, signed: (perRound / (performance.now() - signing)) * 1000 });
}
print("POST /v1/token: the device verified, its nonce made durable in SQLite, the token minted", {
  ours: `${whole(median(rates.map(({ minted }) => minted)))}/s (16 connections, on the cores of the client)`,
  "crypto.sign, Ed25519": `${whole(median(rates.map(({ signed }) => signed)))}/s`,
  ratio: median(rates.map(({ minted, signed }) => minted / signed)).toFixed(3),
});
await authority.close();
rmSync(dir, { recursive: true, force: true });

function mintOverHttp(authorization: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json", Authorization: authorization };
    const sent = request(url, { method: "POST", headers }, (response) => {
      response.resume().once("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`The authority answered ${response.statusCode}.`));
      });
    });
    sent.once("error", reject).end(body);
  });
}

async function inParallel(items: readonly string[], workers: number, work: (item: string) => Promise<void>) {
  const left = [...items];
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
    }),
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}
