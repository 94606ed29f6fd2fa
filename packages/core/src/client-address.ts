/** Where a client comes from, as limits and logs see it. */
export interface ClientAddress {
  /** What limits count by: an IPv4 address, or the /64 of an IPv6 address, whose owner has all of it. */
  readonly key: string;
  /** What logs may show: the /24 or the /48 around it. */
  readonly network: string;
}

/**
 * The address of a client (docs/protocol.md, section 6): the socket's, or behind `trustedProxies` proxies the
 * entry they vouch for, the Nth from the right of X-Forwarded-For. Where there are fewer, or that entry is no
 * address, the socket's again: what stands further left was written by the client.
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): ClientAddress {
  const claimed = trustedProxies > 0 ? forwardedFor?.split(",").at(-trustedProxies) : undefined;
  return (
    (claimed !== undefined ? describeAddress(withoutPort(claimed.trim())) : undefined) ??
    describeAddress(socketAddress ?? "") ?? { key: "unknown", network: "unknown" }
  );
}

/** Some proxies write `192.0.2.1:5000` and `[2001:db8::1]:5000`. */
function withoutPort(entry: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
}

function describeAddress(text: string): ClientAddress | undefined {
  if (isIPv4(text)) return describeIPv4(text.split(".").map(Number));
  if (!isIPv6(text)) return undefined;
  const groups = ipv6Groups(text);
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) return describeIPv4(groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]));
  const hex = groups.map((group) => group.toString(16));
  return { key: `${hex.slice(0, 4).join(":")}::/64`, network: `${hex.slice(0, 3).join(":")}::/48` };
}

function describeIPv4(bytes: readonly number[]): ClientAddress {
  return { key: bytes.join("."), network: `${bytes.slice(0, 3).join(".")}.0/24` };
}

const isIPv4 = (text: string): boolean =>
  /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text) &&
  text.split(".").every((byte) => Number(byte) <= 255);

/** With or without a zone; every runtime's URL parser knows the rest. */
const isIPv6 = (text: string): boolean =>
  /^[\da-f:.]{2,45}(?:%[\w.-]{1,64})?$/i.test(text) && URL.canParse(`http://[${text.split("%")[0]}]/`);

/** The eight groups of a valid IPv6 address. */
function ipv6Groups(text: string): number[] {
  const withoutZone = text.split("%")[0] as string;
  const hexOnly = withoutZone.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = [], tail = []] = hexOnly
    .split("::")
    .map((side) => (side === "" ? [] : side.split(":").map((group) => Number.parseInt(group, 16))));
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
