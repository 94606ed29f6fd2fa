import type { CallerContext } from "../admit/caller-context.js";
import type { UpstreamSettings } from "../config/settings.js";

/** What a forwarder is made of, and made of anew by a new configuration. */
export interface ForwarderSettings {
  readonly upstreams: readonly UpstreamSettings[];
  readonly maxWebSockets: number;
  readonly context: CallerContext;
}
