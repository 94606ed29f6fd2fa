/**
 * One server of the benches of the gateway, in a process of its own (roles.ts).
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { IncomingRequest } from "@authmesh/core";
import { runGateway } from "@authmesh/gateway";
import { createRequestGuard, createTokenGuard, issuerKeys } from "@authmesh/sdk/guard";
import { type Dispatcher, Pool } from "undici";
import { WebSocketServer } from "ws";
import { listening, play, type Role } from "./roles.js";

/** What the guard is asked: to verify each of them, one after the other. */
export interface VerifyAsked {
  readonly proofs: string;
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/** What the guards of a gateway are given, for one that stands alone. */
export interface GuardSettings {
  readonly identity: string;
  readonly audience: string;
  readonly issuer: string;
  readonly tokenAudience: string;
}

const unheard = { write: () => true };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const roles: Readonly<Record<string, Role>> = {
  /** `amesh gateway`, with a configuration. */
  async gateway(config) {
    void runGateway(["--config", config], { stderr: unheard }).then((status) => process.exit(status));
    return portOf(config);
  },
  async authz(config) {
    const argv = ["authz", "--config", config, "--proxy", "nginx"];
    void runGateway(argv, { stderr: unheard }).then((status) => process.exit(status));
    return portOf(config);
  },
  /** The thinnest proxy that sends bytes on both ways and honours whoever is slower. */
  async bare(service) {
    const pool = new Pool(service, { connections: 256, pipelining: 1 });
    return listen((request, response) => {
      const { method = "", url = "", rawHeaders } = request;
      const hasBody = request.headers["content-length"] !== undefined;
      const headers = rawHeaders.filter((_, i) => rawHeaders[i & ~1]?.toLowerCase() !== "connection");
      pool.dispatch(
        { path: url, method: method as Dispatcher.HttpMethod, headers, body: hasBody ? request : null },
        passingOn(response),
      );
    });
  },
  async echo() {
    const server = createServer();
    new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket) =>
      socket.on("message", (message) => socket.send(message)),
    );
    return listening(server);
  },
  /** Answers nobody but who asks over IPC. */
  async guard(settings) {
    const { identity, audience, issuer, tokenAudience } = JSON.parse(settings) as GuardSettings;
    const keys = issuerKeys([issuer], silent);
    const devices = createRequestGuard({
      allowList: identity,
      audience,
      clockSkewSeconds: 30,
      maxBodyBytes: 1_048_576,
      logger: silent,
    });
    const tokens = createTokenGuard({
      audience: tokenAudience,
      trustedIssuers: [issuer],
      keys,
      tokenUse: "until-expiry",
      hosts: audience,
      identity,
      policy: "none",
      logger: silent,
    });
    process.on("message", async (asked: VerifyAsked | "health") => {
      if (asked === "health") return;
      const requests = readFileSync(asked.proofs, "latin1")
        .split("\n")
        .map((proof) => asVerified(asked, proof, audience));
      const before = process.cpuUsage();
      const started = performance.now();
      for (const request of requests) {
        const guard = request.headers("authorization")[0]?.startsWith("OathMesh") ? tokens : devices;
        const decision = await guard.decide(request);
        if (!decision.allowed) throw new Error(decision.failure.detail);
      }
      const seconds = (performance.now() - started) / 1000;
      const { user, system } = process.cpuUsage(before);
      process.send?.({ rate: requests.length / seconds, cpu: (user + system) / requests.length });
    });
    return 0;
  },
};

const portOf = (config: string): number =>
  (JSON.parse(readFileSync(config, "utf8")) as { listen: { port: number } }).listen.port;

const listen = (listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> =>
  listening(createServer({ keepAliveTimeout: 65_000 }, listener));

function passingOn(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      response.on("drain", () => controller.resume());
      response.once("close", () => {
        if (!response.writableFinished) controller.abort(new Error("the caller is gone"));
      });
    },
    onResponseStart(controller, status) {
      const raw = (controller.rawHeaders as Buffer[]).map((bytes) => bytes.toString("latin1"));
      response.writeHead(
        status,
        raw.filter((_, i) => raw[i & ~1]?.toLowerCase() !== "connection"),
      );
    },
    onResponseData(controller, chunk) {
      if (!response.write(chunk)) controller.pause();
    },
    onResponseEnd: () => void response.end(),
    onResponseError: () => void response.destroy(),
  };
}

/** As an adapter would hand it to a verifier. */
function asVerified({ method, target, body }: VerifyAsked, proof: string, host: string): IncomingRequest {
  const headers: Record<string, readonly string[]> = {
    authorization: [proof],
    host: [host],
    ...(body === "" ? {} : { "content-length": [String(body.length)] }),
  };
  return {
    method,
    target,
    headers: (name) => headers[name] ?? [],
    hasBody: body !== "",
    bodyHash: async () => createHash("sha256").update(body).digest("hex"),
  };
}

await play(roles);
