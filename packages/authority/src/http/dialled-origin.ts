import { normalizeHost } from "@authmesh/core";
import type { Context } from "hono";

export interface OriginOptions {
  readonly issuer: string;
  /** Hosts that callers name the authority by, in one spelling. */
  readonly audience: readonly string[];
  /** Whether this process itself speaks TLS. */
  readonly tls: boolean;
  readonly trustProxy: boolean;
}

/** The origin that a client dialled to send a request; undefined for one that is not this authority's. */
export type DialledOrigin = (context: Context) => string | undefined;

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/**
 * What a device's signature may name as the authority (docs/protocol.md, section 10.3). The origins come from the configuration,
 * the issuer's and one of each host of the audience; the request says which of them.
 */
export function dialledOrigin({ issuer, audience, tls, trustProxy }: OriginOptions): DialledOrigin {
  const { protocol, host } = new URL(issuer);
  const origins = new Map(
    audience.map((name) => {
      const isPlain = !tls && loopback.test(name);
      return [name, `${isPlain ? "http:" : protocol}//${name}`];
    }),
  );
  origins.set(host, issuer);
  const find = (name: string | undefined) => {
    const spelt = name === undefined ? undefined : normalizeHost(name.trim());
    return spelt === undefined ? undefined : origins.get(spelt);
  };
  return ({ req }) => {
    const received = find(new URL(req.url).host);
    if (!trustProxy) return received;
    // Of several names the first, which the proxy nearest to the client wrote. Some proxies hand on no name at all.
    return find(req.header("x-forwarded-host")?.split(",")[0]) ?? received ?? issuer;
  };
}
