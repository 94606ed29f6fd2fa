import type { JwkSet } from "@authmesh/oath";
import { feedStatuses } from "@authmesh/sdk/feed";
import type { Forwarder } from "../forward/forwarder.js";
import type { GatewayServer } from "../inbound/gateway-server.js";
import { AdminServer } from "./admin-server.js";
import type { GatewayMetrics } from "./gateway-metrics.js";

/** What the admin port tells of. */
export interface AdminScene {
  readonly server: GatewayServer;
  readonly metrics: GatewayMetrics;
  /** Of context tokens. */
  readonly keys: () => JwkSet;
  /** Undefined where nothing is sent on. */
  readonly forwarder: Pick<Forwarder, "status"> | undefined;
}

const sendsNothingOn: ReturnType<Forwarder["status"]> = { upstreams: [], webSockets: 0 };

/** The admin port of a gateway, or of external authorization (docs/protocol.md, section 14.9). */
export const openAdmin = ({ server, metrics, keys, forwarder }: AdminScene): AdminServer =>
  new AdminServer({
    keys,
    metrics,
    async state() {
      const { settings, admitter } = server.generation;
      const { upstreams, webSockets } = forwarder?.status() ?? sendsNothingOn;
      return {
        draining: server.isDraining,
        notReady: admitter.notReady(),
        routes: settings.routes,
        upstreams,
        feeds: feedStatuses(),
        inFlight: server.underWay,
        connections: await server.connections(),
        webSockets,
        spoolBytes: server.spoolBytes,
      };
    },
  });
