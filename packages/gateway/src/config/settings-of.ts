import { resolve } from "node:path";
import { checkAudience, quoteForeign } from "@authmesh/core";
import type { Environment } from "@authmesh/keystore";
import type { Place, Problem } from "@authmesh/oath/document";
import { defaults } from "./defaults.js";
import { checkFiles } from "./file-checks.js";
import type { ContextConfig, GatewayConfig } from "./gateway-config.js";
import { policyPath } from "./policy-path.js";
import { redisUrlOf } from "./redis-url.js";
import { routesOf } from "./routes-of.js";
import type { ContextSettings, GatewaySettings, TlsFiles, VerificationSettings } from "./settings.js";
import { upstreamsOf } from "./upstreams-of.js";

const defaultPort = { proxy: defaults.listen.port, authz: 8089 } as const;

/** What a configuration is read in. */
export interface Surroundings {
  /** Folder that relative paths start from. */
  readonly folder: string;
  readonly env: Environment;
  /** "authz": nothing is sent on, so that routes need no upstream. */
  readonly role: "proxy" | "authz";
}

/** Takes down what is wrong at one place of a configuration. */
export type Report = (at: Place, message: string) => void;

export interface CheckedConfig {
  /** Where nothing is wrong. */
  readonly settings?: GatewaySettings;
  readonly problems: readonly Problem[];
}

/** Everything that is wrong with a configuration whose members are of the right shape, its files looked at, or settings. */
export async function settingsOf(config: GatewayConfig, scene: Surroundings): Promise<CheckedConfig> {
  const problems: Problem[] = [];
  const report: Report = (at, message) => problems.push({ at, message });
  const { folder } = scene;
  const redisUrl = redisUrlOf(config.redis, scene, report);
  const listen = listenOf(config, scene, report);
  const upstreams = upstreamsOf(config, folder);
  const settings: GatewaySettings = {
    listen,
    admin: adminOf(config, scene.role, listen, report),
    verification: { ...verificationOf(config, folder), redisUrl },
    context: contextOf(config.context, folder),
    trustProxy: config.trustProxy ?? defaults.trustProxy,
    spoolBytes: config.spoolBytes ?? defaults.spoolBytes,
    maxConnections: config.maxConnections ?? defaults.maxConnections,
    maxWebSockets: config.maxWebSockets ?? defaults.maxWebSockets,
    drainSeconds: config.drainSeconds ?? defaults.drainSeconds,
    upstreams,
    routes: routesOf(config, scene, report),
  };
  if (config.devices?.revokers !== undefined && redisUrl === undefined)
    report(["devices", "revokers"], "means nothing without redis, where the fleet's revocations are.");
  await checkFiles(settings, report);
  return problems.length > 0 ? { problems } : { settings, problems };
}

function listenOf(
  { listen = {} }: GatewayConfig,
  scene: Surroundings,
  report: Report,
): GatewaySettings["listen"] {
  const { env } = scene;
  const { host = env["HOST"] || defaults.listen.host, tls } = listen;
  const port = listen.port ?? portOf(env["PORT"] || String(defaultPort[scene.role]), report);
  if (tls === undefined) return { host, port, tls: undefined };
  if (tls.requireClientCert && tls.clientCa === undefined)
    report(["listen", "tls", "requireClientCert"], "means nothing without clientCa.");
  const files: TlsFiles = {
    cert: resolve(scene.folder, tls.cert),
    key: resolve(scene.folder, tls.key),
    clientCa: tls.clientCa && resolve(scene.folder, tls.clientCa),
    requireClientCert: tls.requireClientCert ?? tls.clientCa !== undefined,
  };
  return { host, port, tls: files };
}

/** @param text of the variable PORT */
function portOf(text: string, report: Report): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    report(["listen", "port"], `is left to PORT, which is no port: ${quoteForeign(text)}.`);
  return port;
}

/** Beside a gateway external authorization has none, unless it is given one of its own. */
function adminOf(
  { admin }: GatewayConfig,
  role: Surroundings["role"],
  listen: GatewaySettings["listen"],
  report: Report,
): GatewaySettings["admin"] {
  if (admin === false || (admin === undefined && role === "authz")) return undefined;
  const { host = defaults.admin.host, port = defaults.admin.port } = admin ?? {};
  if (port !== 0 && port === listen.port && host === listen.host)
    report(["admin", "port"], `is the port that callers connect to: ${port}.`);
  return { host, port };
}

function verificationOf(
  { audience, identity, devices = {}, tokens, authority, audit }: GatewayConfig,
  folder: string,
): Omit<VerificationSettings, "redisUrl"> {
  return {
    audience: audience === undefined ? undefined : checkAudience([audience].flat()),
    identity: identity && resolve(folder, identity),
    requireHostBinding: devices.requireHostBinding ?? defaults.devices.requireHostBinding,
    clockSkewSeconds: devices.clockSkewSeconds ?? defaults.devices.clockSkewSeconds,
    revokers: devices.revokers,
    tokens: tokens && { ...defaults.tokens, ...tokens, policy: policyPath(tokens.policy, folder) },
    authority: authority && { ...defaults.authority, ...authority },
    audit: audit === undefined || audit === "-" ? audit : resolve(folder, audit),
  };
}

const prefixes = {
  authmesh: ["X-AuthMesh-"],
  oathmesh: ["X-OathMesh-"],
  both: ["X-AuthMesh-", "X-OathMesh-"],
} as const;

function contextOf({ headers, token = {} }: ContextConfig = {}, folder: string): ContextSettings {
  return {
    prefixes: prefixes[headers ?? defaults.context.headers],
    token: {
      issuer: token.issuer ?? defaults.context.token.issuer,
      audience: token.audience,
      keyFile: token.keyFile && resolve(folder, token.keyFile),
    },
  };
}
