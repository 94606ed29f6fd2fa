import type { ErrorCode } from "@authmesh/core";
import { consoleLogger, harmless, type Logger } from "@authmesh/oath/logger";
import { createGatewayMetrics } from "../admin/gateway-metrics.js";
import { openAdmin } from "../admin/open-admin.js";
import { openCallerContext } from "../admit/caller-context.js";
import { createAdmitter } from "../admit/create-admitter.js";
import type { GatewaySettings, VerificationSettings } from "../config/settings.js";
import type { GatewayAddress } from "../create-gateway.js";
import { GatewayServer } from "../inbound/gateway-server.js";
import { originAt } from "../listen-on.js";
import { type ProxyName, proxyDialects } from "./proxy-dialects.js";
import { passagesOf } from "./question-passages.js";

export interface AuthzOptions {
  /** Routes need no upstream. Of `listen` nothing is looked at. */
  readonly settings: GatewaySettings;
  /** Who asks. */
  readonly proxy: ProxyName;
  /** What Envoy puts before the target: its `path_prefix`. Default "". */
  readonly pathPrefix?: string;
  /** Default 127.0.0.1. Nobody but the proxy may reach it. */
  readonly host?: string;
  /** Default 8089; 0 takes a free one. */
  readonly port?: number;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

/** Answers a proxy that asks whether requests may pass (docs/protocol.md, section 14.8). */
export interface Authz {
  /** @throws AmeshError `gateway_cannot_listen` */
  listen(): Promise<GatewayAddress>;
  /**
   * Goes over to other settings: questions that come from now on are answered by them.
   *
   * @throws AmeshError for settings that cannot be used; nothing is changed then
   */
  reload(settings: GatewaySettings): Promise<void>;
  /** Takes no questions any more, and gives those under way `drainSeconds`. A second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Opens what the settings name. Nobody is listened to yet.
 *
 * @example
 * const authz = await createAuthz({ settings, proxy: "nginx" });
 * const { url } = await authz.listen(); // "http://127.0.0.1:8089"
 *
 * @throws AmeshError as `createGateway`
 * @throws TypeError for a proxy that is none of them, a prefix beside another one than Envoy, and settings that make no sense
 */
export async function createAuthz(options: AuthzOptions): Promise<Authz> {
  const { settings, proxy, pathPrefix = "", host = "127.0.0.1", port = 8089 } = options;
  const logger = harmless(options.logger ?? consoleLogger);
  if (!Object.hasOwn(proxyDialects, proxy)) throw new TypeError(`proxy: ${proxy} is none that is known.`);
  const dialect = proxyDialects[proxy];
  if (pathPrefix !== "" && dialect.told !== undefined)
    throw new TypeError(`pathPrefix makes no sense with ${proxy}, which tells the target in a header.`);
  const metrics = createGatewayMetrics();
  const onRefused = (code: ErrorCode) => metrics.add("refusals_total", code);
  const open = async ({ context, verification, routes }: GatewaySettings, before?: VerificationSettings) => ({
    context: await openCallerContext(context),
    admitter: await createAdmitter(verification, routes, { logger, onRefused, before }),
  });
  const listening = (given: GatewaySettings) => ({ ...given, listen: { host, port, tls: undefined } });
  const opened = await open(settings);
  let inForce = settings;
  let { context } = opened;
  const passages = passagesOf(() => ({ dialect, pathPrefix, context }));
  const server = new GatewayServer(listening(settings), {
    admitter: opened.admitter,
    passages,
    metrics,
    logger,
  });
  const admin = openAdmin({ server, metrics, keys: () => context.keys, forwarder: undefined });
  return {
    async listen() {
      const told = settings.admin && (await admin.listen(settings.admin));
      const { port } = await server.listen();
      return { url: originAt("http", host, port), port, adminPort: told?.port };
    },
    async reload(next) {
      try {
        const fresh = await open(next, inForce.verification);
        context = fresh.context;
        inForce = next;
        server.replace({ ...listening(next), admin: settings.admin }, fresh.admitter);
      } catch (error) {
        metrics.add("config_reloads_total", "refused");
        throw error;
      }
      metrics.add("config_reloads_total", "taken");
    },
    async close() {
      await server.close();
      await admin.close();
    },
  };
}
