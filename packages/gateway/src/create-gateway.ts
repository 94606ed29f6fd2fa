import { harmless, type Logger } from "@authmesh/oath/logger";
import { openCallerContext } from "./admit/caller-context.js";
import { createAdmitter } from "./admit/create-admitter.js";
import type { GatewaySettings } from "./config/settings.js";
import { createForwarder } from "./forward/create-forwarder.js";
import { GatewayServer } from "./inbound/gateway-server.js";
import { passagesTo } from "./inbound/pipeline.js";

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
  const open = async ({ context, verification, routes, upstreams, maxWebSockets }: GatewaySettings) => ({
    forwarding: { upstreams, maxWebSockets, context: await openCallerContext(context) },
    admitter: await createAdmitter(verification, routes, { logger }),
  });
  const { forwarding, admitter } = await open(settings);
  const closing: (() => Promise<void>)[] = [() => admitter.close()];
  try {
    const forwarder = createForwarder(forwarding, { logger });
    closing.unshift(() => forwarder.close());
    const server = new GatewayServer(settings, { admitter, passages: passagesTo(forwarder), logger });
    return {
      async listen() {
        const { port } = await server.listen();
        return { url: urlOf(settings, port), port, adminPort: undefined };
      },
      async reload(next) {
        const opened = await open(next);
        try {
          forwarder.reload(opened.forwarding);
        } catch (error) {
          await opened.admitter.close();
          throw error;
        }
        server.replace({ ...next, listen: settings.listen, admin: settings.admin }, opened.admitter);
      },
      close: () => server.close(),
    };
  } catch (error) {
    for (const close of closing) await close();
    throw error;
  }
}

function urlOf({ listen: { host, tls } }: GatewaySettings, port: number): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "http" : "https"}://${name}:${port}`;
}
