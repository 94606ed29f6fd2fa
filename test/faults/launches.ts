import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { authorityEnv } from "../../packages/authority/test/authority-process.js";
import { root } from "../../scripts/run.js";
import type { GatewayCertificate } from "./gateway-certificate.js";
import type { Launch, PartName } from "./part.js";

/** What a fleet can be run without: its API, but for the last. */
export type Protection =
  | "shared memory"
  | "feed"
  | "audit"
  | "reasons"
  | "readiness"
  | "release"
  | "service"
  | "copy of the feed"
  | "memory of the authority";

/** What the parts are told of each other. What is not read-only counts at their next start. */
export interface Scene {
  readonly folder: string;
  /** "admin" is the gateway's, too. */
  readonly ports: Readonly<Record<PartName | "admin", number>>;
  readonly hosts: Readonly<Record<PartName, string>>;
  /** Where each keeps what it keeps. */
  readonly folders: Readonly<Record<PartName, string>>;
  /** Of PostgreSQL. */
  readonly database: string;
  readonly redisUrl: string;
  /** The name of the account whose devices may call. */
  readonly account: string;
  /** Where the gateway speaks TLS. */
  readonly certificate: GatewayCertificate | undefined;
  /** Thumbprint. */
  feedKey: string;
  /** What an instance of the API goes without. */
  without: Protection | undefined;
  /** Keys whom an instance without the feed trusts. */
  known: readonly string[];
}

/** What callers put into their URLs, whichever instance they reach. */
export const audience = "api.fleet.test";
export const tokenAudience = "orders";
/** Seconds that a copy of the feed may be old. Something is written all the time, so that heads come often. */
export const maxStale = 8;
/** For which any copy serves without the authority: heads come often, and the age counts in whole seconds. */
export const freshSeconds = maxStale - 3;
/** From a revocation on, as long as a copy may be old that nobody brings up to date: its age counts in whole seconds. */
export const staleSeconds = maxStale + 2;
/** Used tokens are remembered together by all of them. */
const replayScope = "fleet";

export const authorityUrl = ({ ports }: Scene): string => `http://localhost:${ports.authority}`;
/** Where callers call a part: an origin. */
export function originOf(scene: Scene, name: PartName): string {
  if (name === "authority") return authorityUrl(scene);
  const isSecure = name === "gateway" && scene.certificate !== undefined;
  return `${isSecure ? "https" : "http"}://${scene.hosts[name]}:${scene.ports[name]}`;
}
/** Answers 200 when a part can do its work. */
export const readyUrlOf = ({ hosts, ports }: Scene, name: PartName): string =>
  `http://${hosts[name]}:${ports[name === "gateway" ? "admin" : name]}/ready`;
/** The authority's folder. */
export const dirOf = ({ folders }: Pick<Scene, "folders">): string => join(folders.authority, "authority");
export const identityOf = ({ folders }: Pick<Scene, "folders">, name: PartName): string =>
  join(folders[name], name, "identity");
export const logOf = ({ folders }: Pick<Scene, "folders">, name: PartName): string =>
  join(folders[name], `${name}.jsonl`);

export const amesh = join(root, "packages/cli/bin/amesh.js");
const own = (file: string): string => join(root, "test/faults", file);
const at = (scene: Scene, name: PartName) => ({ host: scene.hosts[name], port: scene.ports[name] });

const api =
  (name: PartName) =>
  (scene: Scene): Omit<Launch, "url" | "ready"> => ({
    env: { ...authorityEnv, AUTH_MESH_DIR: identityOf(scene, name) },
    args: () => {
      const { redisUrl, account, feedKey: key, without, known } = scene;
      const authority = { url: authorityUrl(scene), key };
      const names = { name, audience, tokenAudience, replayScope, log: logOf(scene, name) };
      const given = { ...at(scene, name), ...names, redisUrl, authority, account, maxStale, without, known };
      return [own("api-server.js"), JSON.stringify(given)];
    },
  });

/** How each of them is started. */
export const launches: Readonly<Record<PartName, (scene: Scene) => Omit<Launch, "url" | "ready">>> = {
  authority: (scene) => ({
    env: { ...authorityEnv, HOME: scene.folder, DATABASE_URL: scene.database },
    args: () => {
      const { host, port } = at(scene, "authority");
      const limits = ["caller", "address"].flatMap((who) => ["--limit", `${who}=10000000`]);
      const where = ["--dir", dirOf(scene), "--host", host, "--port", String(port)];
      return [
        amesh,
        "authority",
        "serve",
        ...where,
        "--audit",
        logOf(scene, "authority"),
        "--json",
        "--public-tokens-feed",
        ...limits,
      ];
    },
  }),
  relay: (scene) => ({
    args: () => {
      const { host, port } = at(scene, "relay");
      const names = ["sockets", "openings", "listens", "failures"];
      const limits = names.flatMap((name) => ["--limit", `address.${name}=100000`]);
      return [amesh, "relay", "--host", host, "--port", String(port), "--json", ...limits];
    },
  }),
  service: (scene) => ({ args: () => [own("service.js"), JSON.stringify(at(scene, "service"))] }),
  "api-1": api("api-1"),
  "api-2": api("api-2"),
  gateway: (scene) => ({
    env: { ...authorityEnv, AUTH_MESH_DIR: identityOf(scene, "gateway") },
    args: () => {
      const file = join(scene.folder, "gateway.json");
      writeFileSync(file, JSON.stringify(gatewayConfig(scene)));
      return [amesh, "gateway", file];
    },
  }),
};

function gatewayConfig(scene: Scene): object {
  const { hosts, ports, account, redisUrl, certificate, feedKey: key } = scene;
  const url = authorityUrl(scene);
  const upstream = `http://${hosts.service}:${ports.service}`;
  return {
    version: 1,
    listen: { ...at(scene, "gateway"), ...(certificate && { tls: certificate.files }) },
    admin: { host: hosts.gateway, port: ports.admin },
    audience,
    tokens: { issuers: url, audience: tokenAudience, policy: "none", replayScope },
    authority: { url, key, account, maxStaleSeconds: maxStale },
    redis: { url: redisUrl },
    audit: logOf(scene, "gateway"),
    drainSeconds: 5,
    routes: [
      { path: "/device/*", accept: "device", upstream },
      { path: "/token/*", accept: "token", upstream },
    ],
  };
}
