import type { JwkSet } from "@authmesh/oath";
import type { RouteSettings } from "../config/settings.js";
import type { Admitted } from "./admission.js";

/** A request as it is sent on. */
export interface SentRequest {
  readonly route: RouteSettings;
  readonly method: string;
  /** Path and query, less the prefix that the route takes off. */
  readonly target: string;
}

/** Tells upstreams who called (docs/protocol.md, sections 14.4 and 14.5). */
export interface CallerContext {
  /** What the route's upstream gets beside the caller's own headers: names and values. None for a caller that nobody verified. */
  headersFor(request: SentRequest, admitted: Admitted): Promise<readonly (readonly [string, string])[]>;
  /** By which upstreams verify context tokens: `/.well-known/jwks.json` of the admin port. */
  readonly keys: JwkSet;
}
