import type { ErrorCode } from "@authmesh/core";
import { harmless, type Logger } from "@authmesh/oath/logger";
import { createGatewayMetrics } from "./admin/gateway-metrics.js";
import { openAdmin } from "./admin/open-admin.js";
import { openCallerContext } from "./admit/caller-context.js";
import { createAdmitter } from "./admit/create-admitter.js";
import type { GatewaySettings, VerificationSettings } from "./config/settings.js";
import { createForwarder } from "./forward/create-forwarder.js";
import { GatewayServer } from "./inbound/gateway-server.js";
import { passagesTo } from "./inbound/pipeline.js";
import { originAt } from "./listen-on.js";

export interface GatewayOptions {
  readonly logger: Logger;
}

/** Where a gateway listens. */
export interface GatewayAddress {
  /** "http://127.0.0.1:8088" */
  readonly url: string;
  readonly port: number;
  /** Undefined where there is none. */
  readonly adminPort: number | undefined;
}

/** A reverse proxy that lets in whom it verified (docs/protocol.md, section 14). */
export interface Gateway {
  /** @throws AmeshError `gateway_cannot_listen` */
  listen(): Promise<GatewayAddress>;
  /**
   * Goes over to other settings: requests that come from now on follow them, those under way and WebSockets finish with what
   * they began with. What has to do with listening (`listen`, `admin`) stays as it was.
   *
   * @throws AmeshError for settings that cannot be used; nothing is changed then
   */
  reload(settings: GatewaySettings): Promise<void>;
  /**
   * Takes nobody in any more, lets requests under way finish for `drainSeconds`, ends WebSockets at once, and lets go of all
   * that was opened. A second call waits for the first.
   */
  close(): Promise<void>;
}

/**
 * Opens what the settings name. Nobody is listened to yet.
 *
 * @example
 * const gateway = await createGateway(settings, { logger: consoleLogger });
 * const { url } = await gateway.listen(); // "http://127.0.0.1:8088"
 *
 * @throws AmeshError `gateway_cannot_listen` for a certificate that cannot be used, `gateway_config_invalid` for another
 *   file that cannot, `audit_unavailable` and `storage_failed` for an audit that cannot be written
 * @throws TypeError for settings that make no sense
 */
export async function createGateway(settings: GatewaySettings, options: GatewayOptions): Promise<Gateway> {
  const logger = harmless(options.logger);
  const metrics = createGatewayMetrics();
  const onRefused = (code: ErrorCode) => metrics.add("refusals_total", code);
  const open = async (
    { context, verification, routes, upstreams, maxWebSockets }: GatewaySettings,
    before?: VerificationSettings,
  ) => ({
    forwarding: { upstreams, maxWebSockets, context: await openCallerContext(context) },
    admitter: await createAdmitter(verification, routes, { logger, onRefused, before }),
  });
  const opened = await open(settings);
  let inForce = settings;
  let { forwarding } = opened;
  const { admitter } = opened;
  const closing: (() => Promise<void>)[] = [() => admitter.close()];
  try {
    const observe = (route: string, seconds: number) => metrics.observe("upstream_seconds", seconds, [route]);
    const forwarder = createForwarder(forwarding, { logger, observe, failed: onRefused });
    closing.unshift(() => forwarder.close());
    const server = new GatewayServer(settings, {
      admitter,
      passages: passagesTo(forwarder),
      metrics,
      logger,
    });
    const admin = openAdmin({ server, metrics, keys: () => forwarding.context.keys, forwarder });
    return {
      async listen() {
        // Before the first request, so that nothing goes unwatched.
        const told = settings.admin && (await admin.listen(settings.admin));
        const { port } = await server.listen();
        return { url: urlOf(settings, port), port, adminPort: told?.port };
      },
      async reload(next) {
        try {
          const fresh = await open(next, inForce.verification);
          try {
            forwarder.reload(fresh.forwarding);
          } catch (error) {
            await fresh.admitter.close();
            throw error;
          }
          forwarding = fresh.forwarding;
          inForce = next;
          server.replace({ ...next, listen: settings.listen, admin: settings.admin }, fresh.admitter);
        } catch (error) {
          metrics.add("config_reloads_total", "refused");
          throw error;
        }
        metrics.add("config_reloads_total", "taken");
      },
      // Whoever looks at the admin port sees the drain to its end.
      async close() {
        await server.close();
        await admin.close();
      },
    };
  } catch (error) {
    for (const close of closing) await close();
    throw error;
  }
}

function urlOf({ listen: { host, tls } }: GatewaySettings, port: number): string {
  return originAt(tls === undefined ? "http" : "https", host, port);
}
