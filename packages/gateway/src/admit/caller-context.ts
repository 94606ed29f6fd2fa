import { createP256Signer, type JwkSet } from "@authmesh/oath";
import type { ContextSettings, RouteSettings } from "../config/settings.js";
import type { Admitted } from "./admission.js";
import { contextHeaders } from "./context-headers.js";
import { contextKey } from "./context-key.js";
import { contextToken } from "./context-token.js";

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

/**
 * @param now milliseconds since the epoch. Default `Date.now`
 * @throws AmeshError `gateway_config_invalid`, `storage_failed` for a file that is no key
 */
export async function openCallerContext(
  { prefixes, token: { issuer, audience, keyFile } }: ContextSettings,
  now: () => number = Date.now,
): Promise<CallerContext> {
  const signer = createP256Signer(await contextKey(keyFile));
  return {
    keys: { keys: [signer.publicJwk] },
    async headersFor(request, { caller }) {
      if (caller === undefined) return [];
      const { contextHeaders: inHeaders, contextToken: asToken } = request.route;
      const headers = inHeaders ? contextHeaders(caller, prefixes) : [];
      if (!asToken) return headers;
      const token = await contextToken(request, caller, { issuer, audience, signer, now });
      return [...headers, ...prefixes.map((prefix) => [`${prefix}Context`, token] as const)];
    },
  };
}
