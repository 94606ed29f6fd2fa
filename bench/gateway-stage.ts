/** What stands around a gateway that is measured: its configuration, who calls it, and the servers, each on its core. */
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { PrivateKey, signRequest } from "@authmesh/core";
import type { GatewayConfig } from "@authmesh/gateway";
import { addDevice, createIdentity, openIdentity } from "@authmesh/keystore";
import { createEd25519Signer, mintToken } from "@authmesh/oath";
import { freePort } from "../test/fixtures/free-port.js";
import { temporaryFolder } from "./enrolling-authority.js";
import type { Asked, GuardSettings, Health } from "./gateway-processes.js";

export const host = "api.example.com";
const tokenAudience = "orders";
const passphrase = "of the benches";
/** The callers and the service share one core, so that the other has nothing but what is measured. */
export const cores = { callers: "0", measured: "1" };
const canPin = spawnSync("taskset", ["-c", cores.measured, "true"]).status === 0;
export const onCore = (core: string): readonly string[] => (canPin ? ["taskset", "-c", core] : []);

/** What one server of another program is started with. */
export interface Started {
  readonly port: number;
  /** Seconds that its process has computed. */
  cpu(): number;
  /** Bytes of its memory. */
  resident(): number;
  close(): Promise<void>;
}

export interface NodeServer extends Started {
  health(): Promise<Health>;
  /** Of the guard: how many a second, and microseconds of computing for each. */
  verify(asked: Exclude<Asked, "health">): Promise<{ readonly rate: number; readonly cpu: number }>;
}

export class GatewayStage {
  readonly folder = temporaryFolder();
  readonly #key = PrivateKey.generate();
  readonly #issuerKey = createEd25519Signer(crypto.getRandomValues(new Uint8Array(32)));
  readonly #closing: (() => unknown)[] = [];
  #issuer = "";

  static async open(): Promise<GatewayStage> {
    const stage = new GatewayStage();
    await stage.#trustCaller();
    await stage.#issue();
    return stage;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }

  /** A file with one line for each of `count` requests: the values of Authorization. */
  async sign(method: string, path: string, body: string, count: number): Promise<string> {
    return this.#written(await this.proofs(method, path, body, count));
  }

  async proofs(method: string, path: string, body: string, count: number): Promise<string[]> {
    const signer = {
      key: this.#key.publicKey.base64,
      sign: async (m: Parameters<PrivateKey["sign"]>[0]) => this.#key.sign(m),
    };
    const request = { method, url: new URL(`https://${host}${path}`), ...(body === "" ? {} : { body }) };
    const proofs: string[] = [];
    for (let i = 0; i < count; i++) proofs.push(await signRequest(request, signer));
    return proofs;
  }

  /** One token, for any number of requests. */
  async mint(count: number): Promise<string> {
    const claims = { sub: "svc://billing/worker", aud: tokenAudience, act: "orders.read" };
    const { token } = await mintToken(claims, {
      issuer: this.#issuer,
      signer: this.#issuerKey,
      ttlSeconds: 300,
    });
    return this.#written(Array.from({ length: count }, () => `OathMesh ${token}`));
  }

  /** A service that costs as little as it can. */
  startService(): Promise<Started> {
    return this.startNginx(
      cores.callers,
      () => `default_type application/json; location / { return 200 '{"ok":true}'; }`,
    );
  }

  /** @param server what stands in the block of its server, and before that */
  async startNginx(core: string, server: () => string, before = ""): Promise<Started> {
    const port = await freePort();
    const folder = temporaryFolder();
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${n};`);
    writeFileSync(
      join(folder, "nginx.conf"),
      `pid pid; daemon off; master_process off; events { worker_connections 18000; }
       http { access_log off; keepalive_requests 100000000; ${paths.join(" ")} ${before}
       server { listen 127.0.0.1:${port} backlog=4096; ${server()} } }`,
    );
    const child = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return this.#started(child, port, core);
  }

  /** A process of gateway-processes.js. */
  async startNode(role: string, argument = "", execArgv: readonly string[] = []): Promise<NodeServer> {
    const child = fork(fileURLToPath(new URL("gateway-processes.js", import.meta.url)), [role, argument], {
      execArgv: ["--expose-gc", ...execArgv],
      env: { ...process.env, AUTH_MESH_PASSPHRASE: passphrase },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const failed = once(child, "exit").then(([status]) => {
      throw new Error(`The ${role} ended with ${status}.`);
    });
    const [{ port }] = (await Promise.race([once(child, "message"), failed])) as [{ port: number }];
    failed.catch(() => {});
    const started = await this.#started(child, port, cores.measured);
    const ask = async <Answer>(asked: Asked): Promise<Answer> => {
      const answered = once(child, "message");
      child.send(asked);
      return ((await answered) as [Answer])[0];
    };
    return { ...started, health: () => ask<Health>("health"), verify: (asked) => ask(asked) };
  }

  startGateway(service: Started, execArgv: readonly string[] = []): Promise<NodeServer> {
    const to = `http://127.0.0.1:${service.port}`;
    return this.#startConfigured("gateway", { path: "/*", upstream: to, webSocket: true }, execArgv);
  }

  startAuthz(): Promise<NodeServer> {
    return this.#startConfigured("authz", { path: "/*" }, []);
  }

  startGuard(): Promise<NodeServer> {
    const issuer = this.#issuer;
    const settings: GuardSettings = { identity: this.#identity, audience: host, issuer, tokenAudience };
    return this.startNode("guard", JSON.stringify(settings));
  }

  get #identity(): string {
    return join(this.folder, "identity");
  }

  async #startConfigured(
    role: "gateway" | "authz",
    route: GatewayConfig["routes"][number],
    execArgv: readonly string[],
  ): Promise<NodeServer> {
    const config: GatewayConfig = {
      version: 1,
      listen: { port: await freePort() },
      admin: false,
      audience: host,
      identity: this.#identity,
      tokens: { issuers: this.#issuer, audience: tokenAudience, policy: "none", use: "until-expiry" },
      routes: [route],
    };
    const file = join(this.folder, `${role}.json`);
    writeFileSync(file, JSON.stringify(config));
    return this.startNode(role, file, execArgv);
  }

  async #trustCaller(): Promise<void> {
    const dir = this.#identity;
    const env = { AUTH_MESH_PASSPHRASE: passphrase };
    const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
    await createIdentity({ dir, env, friendlyName: "gateway", argon2 });
    const list = await (await openIdentity({ dir, env })).openAllowList();
    await list.update((draft) =>
      addDevice(draft, {
        publicKey: this.#key.publicKey,
        friendlyName: "till 1",
        role: "controller",
        status: "active",
        addedBy: "manual",
        bound: true,
        scopes: { orders: "rw" },
        acceptRevoked: true,
        now: Math.floor(Date.now() / 1000),
      }),
    );
  }

  /** Publishes the issuer's key. */
  async #issue(): Promise<void> {
    const keys = JSON.stringify({ keys: [this.#issuerKey.publicJwk] });
    const server = createServer((_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" }).end(keys);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  #written(proofs: readonly string[]): string {
    const file = join(this.folder, "proofs");
    writeFileSync(file, proofs.join("\n"));
    return file;
  }

  /** A process once it listens; the guard does not. */
  async #started(child: ChildProcess, port: number, core: string): Promise<Started> {
    const { pid = 0 } = child;
    if (canPin) spawnSync("taskset", ["-acp", core, String(pid)]);
    const close = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    };
    this.#closing.push(close);
    while (port !== 0 && !(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`A server ended with ${child.exitCode}.`);
      await pause(10);
    }
    return { port, cpu: () => cpuSeconds(pid), resident: () => residentBytes(pid), close };
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false)).once("connect", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });

function residentBytes(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Number(pages) * 4096;
}

/** In user mode and for it, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const [user, system] = rest.split(" ").slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
