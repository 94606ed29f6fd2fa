/** Is a token looked up in a list of a million revocations as fast as in a Map, and what memory does the list take? */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRevocationList, pollRevocations, type RevocableToken, type Revocation } from "@authmesh/oath";
import { compare, held, print, whole } from "./compare.js";

const size = 1_000_000;
const iss = "https://issuer.example";
const now = 1_800_000_000;
const id = (i: number) => `${String(i).padStart(10, "0")}-9b1d-4c5e`;

const before = held();
const list = createRevocationList();
let started = performance.now();
for (let i = 0; i < size; i++) list.add(revocation(i));
const fill = performance.now() - started;
const bytes = held() - before;

const peer = new Map<string, Revocation>();
for (const each of list.snapshot()) peer.set(each.value, each);

// As they come from the wire: not the strings that the list holds.
const tokens: readonly RevocableToken[] = Array.from({ length: 4096 }, (_, i) =>
  JSON.parse(
    JSON.stringify({
      iss,
      sub: `svc://payments/worker-${i}`,
      jti: id(i * 400),
      kid: `key-${i % 4}`,
      tenant: "acme",
    }),
  ),
);
let next = 0;
const token = () => tokens[next++ & 4095] as RevocableToken;
let found = 0;
const count = (entry: Revocation | undefined) => {
  if (entry !== undefined) found++;
};

await compare({
  question: `Is a token revoked? A list of ${whole(size)} entries, asked by jti, sub, kid and tenant`,
  peerName: "Map.get of the jti alone",
  calls: 20_000,
  ours: () => count(list.find(token())),
  peer: () => count(peer.get(token().jti)),
});
const cpu = process.cpuUsage();
for (let i = 0; i < size; i++) count(list.find(token()));
const question = process.cpuUsage(cpu).user / size;
started = performance.now();
list.replace(list.snapshot());
const replace = performance.now() - started;

const transfer = await transferred();

print(`  (${whole(found)} of those were found)`, {
  "a question": `${question.toFixed(2)} µs of the processor (aim: under 2)`,
  met: question < 2 ? "yes" : "NO",
  "memory of the list": `${whole(bytes / 1e6)} MB, ${whole(bytes / size)} bytes an entry`,
  "filled in": `${whole(fill)} ms`,
  "replaced in": `${whole(replace)} ms`,
  "read whole from an issuer over HTTP": `${whole(transfer)} ms, the issuer's share included`,
});

/** Milliseconds until a verifier has the whole list of an issuer in this process. */
async function transferred(): Promise<number> {
  const all = list.snapshot();
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "", iss);
    const after = Number(searchParams.get("after"));
    const page = all.slice(after, after + Number(searchParams.get("limit")));
    const generation = after + page.length;
    const revocations = page.map(({ issuer: _, ...entry }, i) => ({ generation: after + i + 1, ...entry }));
    const more = generation < all.length;
    response.end(JSON.stringify({ issuer: iss, log: "first-log", generation, more, revocations }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const begun = performance.now();
  const copy = pollRevocations({ issuer: iss, url: `http://127.0.0.1:${port}/` });
  await copy.preWarm();
  const took = performance.now() - begun;
  copy.close();
  server.close();
  server.closeAllConnections();
  return took;
}

function revocation(i: number): Revocation {
  const text = JSON.stringify({ value: id(i), reason: `ticket ${i}`, actor: "am_rJqmWpXnKtbVzLcd" });
  return { issuer: iss, by: "jti", at: now, expiresAt: now + 4e8, ...JSON.parse(text) };
}
