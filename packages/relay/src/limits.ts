/**
 * Every bound of a relay, with its default (docs/protocol.md, section 6). `address.…` holds for each address (an
 * IPv6 address counts as its /64), `relay.…` for all of them together.
 */
export const defaultLimits = {
  /** TCP connections at a time, whatever is spoken on them. Behind proxies only the relay's own number counts. */
  "address.connections": 32,
  "relay.connections": 110_000,
  /** WebSockets at a time. */
  "address.sockets": 10,
  "relay.sockets": 100_000,
  /** WebSockets opened in any 60 seconds. */
  "address.openings": 60,
  "relay.openings": 60_000,
  /** `listen` messages in any 60 seconds. */
  "address.listens": 10,
  "relay.listens": 10_000,
  /** Failed `connect` messages, and `listen` messages for a taken code, in any 60 seconds: of six-digit codes. */
  "address.failures": 5,
  "relay.failures": 1_000,
  /** The same of 22-character codes, which nobody can guess, and for which machines look again and again. */
  "address.longFailures": 30,
  "relay.longFailures": 10_000,
  /** Addresses remembered at a time. */
  "relay.addresses": 100_000,
  /** Codes that wait and pairs that talk, together. */
  "relay.sessions": 50_000,
  /** Bytes one socket may send in its life, framing included. */
  "socket.bytes": 1_048_576,
  /** Bytes that may wait for a peer that reads slower than the other side sends. */
  "socket.buffered": 262_144,
} as const satisfies Readonly<Record<string, number>>;

export type RelayLimits = Readonly<Record<keyof typeof defaultLimits, number>>;

/** What is given, over the defaults. @throws TypeError for an unknown name or a value that is no positive integer */
export function completeLimits(given: Partial<RelayLimits>): RelayLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultLimits, name)) throw new TypeError(`There is no limit ${name}.`);
    if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`${name} is not a positive integer.`);
  }
  return { ...defaultLimits, ...given };
}

/** How long things live, in milliseconds. */
export const lifetimes = {
  /** A socket that has said neither `listen` nor `connect`. */
  greeting: 10_000,
  /** A pairing code. */
  pairingCode: 60_000,
  /** A 22-character code, while its socket stays. */
  longCode: 86_400_000,
  /** A session, once the two sides have found each other. */
  session: 150_000,
  /** The memory that a code has expired. */
  expiredCode: 60_000,
  /** Between two pings; a socket that has not answered one by the next is gone. */
  heartbeat: 30_000,
  /** The window of every limit that counts over time. */
  window: 60_000,
  /** Sessions under way when the relay shuts down. */
  drain: 10_000,
} as const;
