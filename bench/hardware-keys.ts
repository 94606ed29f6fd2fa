/**
 * What does a key in hardware cost a caller? A real software TPM (swtpm), behind a proxy that makes it as slow as real
 * ones are; and what a signature takes in each key store. Needs swtpm, tpm2-tools, SoftHSM and gnome-keyring.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createVerifier, InMemoryNonceStore, signableProbe } from "@authmesh/core";
import {
  createIdentity,
  EncryptedFileKeyStore,
  KeychainKeyStore,
  type KeyStore,
  openIdentity,
  Pkcs11KeyStore,
  TpmKeyStore,
} from "@authmesh/keystore";
import { createClient } from "@authmesh/sdk";
import { SecretService } from "../packages/keystore/test/secret-service.js";
import { SoftHsm, softHsmModule } from "../packages/keystore/test/softhsm.js";
import { SoftwareTpm } from "../packages/keystore/test/swtpm.js";
import { compare, median, print, whole } from "./compare.js";
import { incomingRequest } from "./incoming-request.js";
import { SlowTpm } from "./slow-tpm.js";
import { trusting } from "./trusted-devices.js";

const cleanUps: (() => void)[] = [];
const cleanUp = () => {
  for (const each of cleanUps.splice(0)) each();
};
process.once("exit", cleanUp);
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(status));

const folder = mkdtempSync(join(tmpdir(), "amesh-bench-"));
cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
const tpm = await SoftwareTpm.start((stop) => cleanUps.push(stop), "tcp");
const slow = await SlowTpm.before(Number(tpm.address.split(":").at(-1)));
process.env["AMESH_TPM"] = slow.address; // for every client that opens a folder, here and in other processes

const folders = { tpm: join(folder, "tpm"), file: join(folder, "file") };
await createIdentity({ friendlyName: "bench", dir: folders.tpm, env: tpm.env, backend: "tpm" });
await createIdentity({ friendlyName: "bench", dir: folders.file, env: {}, backend: "encrypted-file" });

await requestsPerSecond();
await firstRequest();
await tenThousandRequests();
await againstTpm2Tools();
await everyStore();
cleanUp(); // swtpm would keep this process alive

async function requestsPerSecond(): Promise<void> {
  const answer = new Response();
  const fetch = async () => answer;
  const [sessions, file] = [folders.tpm, folders.file].map((dir) => createClient({ dir, fetch }));
  const url = "https://api.example.com/api/orders?b=2&a=1";
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"amount":100}' };
  await compare({
    question:
      "Requests signed through createClient: key in the slow TPM, with sessions, against the encrypted file",
    ours: async () => void (await sessions?.fetch(url, init)),
    peer: async () => void (await file?.fetch(url, init)),
    peerName: "encrypted-file",
    aim: 0.9,
    calls: 1000,
  });
  await Promise.all([sessions?.close(), file?.close()]);
}

async function firstRequest(): Promise<void> {
  let arrived = 0;
  const server = createServer((_, response) => {
    arrived = performance.now();
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const script = fileURLToPath(new URL("first-request.js", import.meta.url));

  const timed = async (dir: string) => {
    slow.exchanges.length = 0;
    const began = performance.now();
    const [status] = await once(spawn(process.execPath, [script, dir, url], { stdio: "inherit" }), "exit");
    if (status !== 0) throw new Error("The first request failed.");
    const before = slow.exchanges.filter(({ endedAt }) => endedAt < arrived);
    const asked = before[0]?.begunAt ?? arrived;
    const commands = before.map(({ name, begunAt, endedAt }) => [name, endedAt - begunAt] as const);
    const inTpm = commands.reduce((sum, [, ms]) => sum + ms, 0);
    return { total: arrived - began, asked: asked - began, commands, rest: arrived - asked - inTpm };
  };
  const rounds = { tpm: [] as Timing[], file: [] as Timing[] };
  for (let round = 0; round <= 11; round++) {
    const [ours, peer] = [await timed(folders.tpm), await timed(folders.file)];
    if (round === 0) continue; // fills the disk cache
    rounds.tpm.push(ours);
    rounds.file.push(peer);
  }
  server.close();

  const middle = (of: (timing: Timing) => number, timings = rounds.tpm) =>
    `${median(timings.map(of)).toFixed(0)} ms`;
  const total = median(rounds.tpm.map((timing) => timing.total));
  const names = rounds.tpm[0]?.commands.map(([name]) => name) ?? [];
  print("First signed request of a new process, from its start to the server, key in the slow TPM", {
    total: `${total.toFixed(0)} ms (aim: at most 700, met: ${total <= 700 ? "yes" : "NO"})`,
    "encrypted-file (Argon2id, 64 MiB)": middle((timing) => timing.total, rounds.file),
    "until the TPM is asked": middle((timing) => timing.asked),
    ...Object.fromEntries(
      names.map((name, at) => [`${at + 1}. ${name}`, middle(({ commands }) => commands[at]?.[1] ?? 0)]),
    ),
    "between and after the commands": middle((timing) => timing.rest),
  });
}

interface Timing {
  readonly total: number;
  readonly asked: number;
  readonly commands: readonly (readonly [name: string, ms: number])[];
  readonly rest: number;
}

/** Time runs 150 times as fast for client and verifier, so that a delegation of 300 seconds lives for two. */
async function tenThousandRequests(): Promise<void> {
  const [requests, seconds, speed] = [10_000, 15, 150];
  const began = { wall: Date.now(), at: performance.now() };
  const now = () => began.wall + (performance.now() - began.at) * speed;
  const { publicKey } = await openIdentity({ dir: folders.tpm });
  const trust = trusting(publicKey, 1);
  trust.audience = ["api.example.com"];
  const verifier = createVerifier({ trust, nonces: new InMemoryNonceStore({ maxNonces: 100_000 }), now });
  const url = new URL("https://api.example.com/api/orders");
  const answer = new Response();
  const delegations = new Set<string | undefined>();
  let called = { at: 0, exchanges: 0 };
  let [slowest, waited] = [0, 0];
  const client = createClient({
    dir: folders.tpm,
    now,
    fetch: async (_, { headers }) => {
      slowest = Math.max(slowest, performance.now() - called.at);
      // One that waits for nothing is signed before anything else in this process can go on, such as the proxy.
      if (slow.exchanges.length > called.exchanges) waited++;
      delegations.add(headers["AuthMesh-Delegation"]);
      const decision = await verifier(
        incomingRequest(url, headers["Authorization"] as string, headers["AuthMesh-Delegation"]),
      );
      if (!decision.allowed) throw new Error(decision.failure.detail);
      return answer;
    },
  });
  await client.fetch(url.href);
  [slowest, waited] = [0, 0]; // the first one waits, and no other is to
  slow.exchanges.length = 0;
  const start = performance.now();
  for (let i = 0; i < requests; i++) {
    while (performance.now() - start < (i / requests) * seconds * 1000) await pause(1);
    called = { at: performance.now(), exchanges: slow.exchanges.length };
    await client.fetch(url.href);
  }
  await client.close();
  const signing = slow.exchanges.filter(({ name }) => name === "TPM2_Sign");
  const quickest = Math.min(...signing.map(({ begunAt, endedAt }) => endedAt - begunAt));
  const refreshes = delegations.size - 1;
  print(`${whole(requests)} requests while a delegation lives for two seconds, all of them verified`, {
    refreshes: `${refreshes} (aim: at least 10, met: ${refreshes >= 10 ? "yes" : "NO"})`,
    "slowest request": `${slowest.toFixed(1)} ms`,
    "quickest TPM2_Sign alone": `${quickest.toFixed(1)} ms`,
    "requests that waited for the TPM": `${waited} (aim: none, met: ${waited === 0 ? "yes" : "NO"})`,
  });
}

async function againstTpm2Tools(): Promise<void> {
  const store = new TpmKeyStore({ dir: folder, env: tpm.env });
  await store.generate("ours");
  const [root, persistent] = ["0x81000001", "0x81010001"];
  writeFileSync(join(tpm.folder, "message"), signableProbe());
  const tool = (line: string) => void tpm.tool(...(line.split(" ") as [string, ...string[]]));
  for (const line of [
    "tpm2_createprimary -Q -C o -G ecc -c root.ctx",
    `tpm2_evictcontrol -Q -C o -c root.ctx ${root}`,
    "tpm2_flushcontext -t",
    `tpm2_create -Q -C ${root} -G ecc:ecdsa-sha256 -u key.pub -r key.priv`,
    `tpm2_load -Q -C ${root} -u key.pub -r key.priv -c key.ctx`,
    `tpm2_evictcontrol -Q -C o -c key.ctx ${persistent}`,
    "tpm2_flushcontext -t",
  ])
    tool(line);
  const signWith = (key: string) => `tpm2_sign -Q -c ${key} -g sha256 -f plain -o signature message`;
  const peers = {
    "tpm2_sign, key persistent": [signWith(persistent)],
    "tpm2_load, tpm2_sign, flushcontext": [
      `tpm2_load -Q -C ${root} -u key.pub -r key.priv -c key.ctx`,
      signWith("key.ctx"),
      "tpm2_flushcontext -t",
    ],
  };
  for (const [peerName, lines] of Object.entries(peers)) {
    await compare({
      question: "A signature by our TPM client against tpm2-tools, both at the bare swtpm",
      ours: async () => void (await store.sign("ours", signableProbe())),
      peer: () => lines.forEach(tool),
      peerName,
      calls: 2,
      rounds: 15,
    });
  }
}

async function everyStore(): Promise<void> {
  const ended = (stop: () => void) => void cleanUps.push(stop);
  const token = SoftHsm.start(ended).token();
  const keyring = await SecretService.start(ended);
  const stores: Readonly<Record<string, () => KeyStore>> = {
    "encrypted-file": () =>
      new EncryptedFileKeyStore({ dir: folder, passphrase: async () => "of the bench" }),
    "tpm (bare swtpm)": () => new TpmKeyStore({ dir: folder, env: tpm.env }),
    "pkcs11 (SoftHSM)": () =>
      new Pkcs11KeyStore({
        dir: folder,
        place: { module: softHsmModule, token: token.label },
        env: token.env,
      }),
    "keychain (gnome-keyring)": () => new KeychainKeyStore({ dir: folder, env: keyring.env }),
  };
  const answers: Record<string, string> = {};
  for (const [name, open] of Object.entries(stores)) {
    const [store, times] = [open(), [] as number[]];
    await store.generate("timed");
    for (let i = 0; i < 120; i++) {
      const start = performance.now();
      await store.sign("timed", signableProbe());
      if (i >= 20) times.push(performance.now() - start);
    }
    answers[name] = `${median(times).toFixed(2)} ms`;
  }
  print("A signature by each key store, once it is open (median)", answers);
}
