/** What does amesh.verify() cost an Express server, in requests a second? Server and load on one machine. */
import { once } from "node:events";
import { Agent, createServer, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { PrivateKey, signRequest } from "@authmesh/core";
import { verify } from "@authmesh/sdk";
import express from "express";
import { median, print, whole } from "./compare.js";
import { trusting } from "./trusted-devices.js";

const key = PrivateKey.generate();
const connections = 16;
const calls = 4000;
const rounds = 5;
const body = JSON.stringify({ amount: 100, note: "x".repeat(70) });

const plain = express();
plain.use(express.json());
plain.post("/api/orders", (_req, res) => {
  res.json({ ok: true });
});

const trust = trusting(key.publicKey, 1000);
const guarded = express();
guarded.use(verify({ allowList: trust }));
guarded.use(express.json());
guarded.post("/api/orders", (req, res) => {
  res.json({ ok: true, device: req.authMesh.deviceId });
});

const servers = { plain: await start(plain), guarded: await start(guarded) };
trust.audience = [servers.guarded.host];

const rates = { plain: [] as number[], guarded: [] as number[] };
for (let round = 0; round <= rounds; round++) {
  const keep = round > 0; // the first warms up
  for (const name of ["plain", "guarded"] as const) {
    const proofs = await signAll(servers[name].host);
    const rate = await load(servers[name].port, proofs);
    if (keep) rates[name].push(rate);
  }
}
for (const { server } of Object.values(servers)) server.close();

print(`Express, POST of ${body.length} bytes, ${connections} connections, requests signed beforehand`, {
  "with amesh.verify()": `${whole(median(rates.guarded))}/s`,
  without: `${whole(median(rates.plain))}/s`,
  ratio: (median(rates.guarded) / median(rates.plain)).toFixed(2),
});

async function start(listener: RequestListener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, port, host: `127.0.0.1:${port}` };
}

async function signAll(host: string): Promise<string[]> {
  const signer = {
    key: key.publicKey.base64,
    sign: async (message: Parameters<typeof key.sign>[0]) => key.sign(message),
  };
  const url = new URL(`http://${host}/api/orders`);
  const proofs: string[] = [];
  for (let i = 0; i < calls; i++) {
    proofs.push(await signRequest({ method: "POST", url, body, contentType: "application/json" }, signer));
  }
  return proofs;
}

async function load(port: number, proofs: readonly string[]): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < proofs.length) await post(agent, port, proofs[next++] as string);
    }),
  );
  agent.destroy();
  return (proofs.length / (performance.now() - started)) * 1000;
}

function post(agent: Agent, port: number, authorization: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
      Authorization: authorization,
    };
    const sent = request(
      { agent, port, host: "127.0.0.1", path: "/api/orders", method: "POST", headers },
      (response) => {
        response.resume();
        response.on("end", () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
