/** What stands around a gateway that is measured: its configuration, who calls it, and the servers, each on its core. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { GatewayConfig } from "@authmesh/gateway";
import { createEd25519Signer, mintToken } from "@authmesh/oath";
import { freePort } from "../test/fixtures/free-port.js";
import { temporaryFolder } from "./enrolling-authority.js";
import type { GuardSettings, VerifyAsked } from "./gateway-processes.js";
import { cores, MeasuredServers, type NodeServer, type Started } from "./measured-servers.js";
import { TrustedCaller } from "./trusted-caller.js";

export const host = "api.example.com";
const tokenAudience = "orders";

export interface GuardServer extends NodeServer {
  /** How many a second, and microseconds of computing for each. */
  verify(asked: VerifyAsked): Promise<{ readonly rate: number; readonly cpu: number }>;
}

export class GatewayStage {
  readonly folder = temporaryFolder();
  readonly #issuerKey = createEd25519Signer(crypto.getRandomValues(new Uint8Array(32)));
  readonly #servers = new MeasuredServers();
  readonly #caller: TrustedCaller;
  #issuer = "";

  private constructor(caller: TrustedCaller) {
    this.#caller = caller;
  }

  static async open(): Promise<GatewayStage> {
    const stage = new GatewayStage(await TrustedCaller.create());
    await stage.#issue();
    return stage;
  }

  close(): Promise<void> {
    return this.#servers.close();
  }

  /** A file with one line for each of `count` requests: the values of Authorization. */
  async sign(method: string, path: string, body: string, count: number): Promise<string> {
    return this.#written(await this.proofs(method, path, body, count));
  }

  proofs(method: string, path: string, body: string, count: number): Promise<string[]> {
    return this.#caller.proofs(method, new URL(`https://${host}${path}`), body, count);
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
    return this.#servers.add(child, port, core);
  }

  /** A process of gateway-processes.js. */
  startNode(role: string, argument = "", execArgv: readonly string[] = []): Promise<NodeServer> {
    const { env } = this.#caller;
    return this.#servers.fork({ program: "gateway-processes.js", role, argument, env, execArgv });
  }

  startGateway(service: Started, execArgv: readonly string[] = []): Promise<NodeServer> {
    const to = `http://127.0.0.1:${service.port}`;
    return this.#startConfigured("gateway", { path: "/*", upstream: to, webSocket: true }, execArgv);
  }

  startAuthz(): Promise<NodeServer> {
    return this.#startConfigured("authz", { path: "/*" }, []);
  }

  async startGuard(): Promise<GuardServer> {
    const issuer = this.#issuer;
    const settings: GuardSettings = {
      identity: this.#caller.identity,
      audience: host,
      issuer,
      tokenAudience,
    };
    const guard = await this.startNode("guard", JSON.stringify(settings));
    return { ...guard, verify: (asked) => guard.ask(asked) };
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
      identity: this.#caller.identity,
      tokens: { issuers: this.#issuer, audience: tokenAudience, policy: "none", use: "until-expiry" },
      routes: [route],
    };
    const file = join(this.folder, `${role}.json`);
    writeFileSync(file, JSON.stringify(config));
    return this.startNode(role, file, execArgv);
  }

  /** Publishes the issuer's key. */
  async #issue(): Promise<void> {
    const keys = JSON.stringify({ keys: [this.#issuerKey.publicJwk] });
    const server = createServer((_, response) => {
      response.writeHead(200, { "Content-Type": "application/json" }).end(keys);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#servers.onClose(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  #written(proofs: readonly string[]): string {
    const file = join(this.folder, "proofs");
    writeFileSync(file, proofs.join("\n"));
    return file;
  }
}
