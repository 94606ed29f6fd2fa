import { isIP } from "node:net";

/** Where a request came from, as the upstream is told. */
export interface Origin {
  readonly clientAddress: string;
  /** The client first, then the proxies between it and the gateway. */
  readonly forwardedFor: readonly string[];
  readonly scheme: "http" | "https";
}

interface Arrival {
  /** Every X-Forwarded-For. */
  readonly forwardedFor: readonly string[];
  /** Every X-Forwarded-Proto. */
  readonly forwardedProto: readonly string[];
  readonly peer: string;
  readonly encrypted: boolean;
}

/**
 * The addresses that trusted proxies vouch for, and the peer's (docs/protocol.md, sections 6 and 14.4). What stands
 * further left was written by the client. Where the proxies said less than they should, only the peer is believed.
 */
export function originOf(arrival: Arrival, trustProxy: number): Origin {
  const { peer, encrypted } = arrival;
  const own = encrypted ? "https" : "http";
  const vouched = trustProxy === 0 ? [] : lastEntries(arrival.forwardedFor, trustProxy);
  if (vouched.length < trustProxy || !vouched.every((address) => isIP(address) > 0))
    return { clientAddress: peer, forwardedFor: [peer], scheme: own };
  const [said] = lastEntries(arrival.forwardedProto, trustProxy);
  const chain = [...vouched, peer];
  return {
    clientAddress: chain[0] ?? peer,
    forwardedFor: chain,
    scheme: trustProxy > 0 && (said === "http" || said === "https") ? said : own,
  };
}

const lastEntries = (headers: readonly string[], count: number): string[] =>
  headers
    .flatMap((header) => header.split(","))
    .slice(-count)
    .map((entry) => entry.trim());
