import { isPairingCode } from "@authmesh/core";
import { ExpiryQueue } from "./expiry-queue.js";
import { lifetimes, type RelayLimits } from "./limits.js";
import { SlidingWindow } from "./sliding-window.js";

/** `rate_limited`: this address used its share. `relay_capacity`: all addresses together used the relay's. */
export type Overuse = "rate_limited" | "relay_capacity";

/** Six digits can be guessed, 22 characters cannot: what misses of the one is no brake on the other. */
export type CodeKind = "short" | "long";

export const kindOf = (code: string): CodeKind => (isPairingCode(code) ? "short" : "long");

/** What one address, or all of them together, use now and have used in the last minute. */
class Usage {
  connections = 0;
  sockets = 0;
  readonly openings: SlidingWindow;
  readonly listens: SlidingWindow;
  readonly failures: Readonly<Record<CodeKind, SlidingWindow>>;
  /** What missed while the other instances could not be asked. */
  readonly misses: Readonly<Record<CodeKind, SlidingWindow>>;
  readonly limits: { readonly connections: number; readonly sockets: number };

  constructor(limits: RelayLimits, scope: "address" | "relay") {
    this.limits = { connections: limits[`${scope}.connections`], sockets: limits[`${scope}.sockets`] };
    this.openings = new SlidingWindow(limits[`${scope}.openings`], lifetimes.window);
    this.listens = new SlidingWindow(limits[`${scope}.listens`], lifetimes.window);
    const guesses = () => ({
      short: new SlidingWindow(limits[`${scope}.failures`], lifetimes.window),
      long: new SlidingWindow(limits[`${scope}.longFailures`], lifetimes.window),
    });
    this.failures = guesses();
    this.misses = guesses();
  }
}

/** What is asked of a usage before each act. Both guesses are refused after failures, or one could stand in for the other. */
const exhausted = {
  connection: (usage: Usage) => usage.connections >= usage.limits.connections,
  socket: (usage: Usage, now: number) => usage.sockets >= usage.limits.sockets || usage.openings.isFull(now),
  listen: (usage: Usage, now: number, kind: CodeKind) =>
    usage.listens.isFull(now) || usage.failures[kind].isFull(now),
  connect: (usage: Usage, now: number, kind: CodeKind) => usage.failures[kind].isFull(now),
  lookUp: (usage: Usage, now: number, kind: CodeKind) =>
    usage.failures[kind].isFull(now) || usage.misses[kind].isFull(now),
} as const;

/** Counts what each address and the whole relay use, and says when it is too much. Times in milliseconds. */
export class RateLimits {
  readonly #limits: RelayLimits;
  readonly #whole: Usage;
  readonly #addresses = new Map<string, Usage>();
  /** Once a minute has passed, nothing that an address did counts any more. */
  readonly #idle = new ExpiryQueue<string>(lifetimes.window);

  constructor(limits: RelayLimits) {
    this.#limits = limits;
    this.#whole = new Usage(limits, "relay");
  }

  get sockets(): number {
    return this.#whole.sockets;
  }

  openConnection(address: string, now: number): Overuse | undefined {
    return this.#take("connection", address, now, (usage) => usage.connections++);
  }

  closeConnection(address: string): void {
    this.#each(address, (usage) => usage.connections--);
  }

  openSocket(address: string, now: number): Overuse | undefined {
    return this.#take("socket", address, now, (usage) => {
      usage.sockets++;
      usage.openings.record(now);
    });
  }

  closeSocket(address: string): void {
    this.#each(address, (usage) => usage.sockets--);
  }

  listen(address: string, kind: CodeKind, now: number): Overuse | undefined {
    return this.#take("listen", address, now, (usage) => usage.listens.record(now), kind);
  }

  /** Why this may not be done now. Nothing is counted: of `connect` and `lookUp`, only what misses is. */
  overuse(
    act: "listen" | "connect" | "lookUp",
    address: string,
    kind: CodeKind,
    now: number,
  ): Overuse | undefined {
    return this.#take(act, address, now, () => {}, kind);
  }

  /** Whether all addresses together have used at least this share of what protects codes of a kind. */
  isUsed(share: number, kind: CodeKind, now: number): boolean {
    return this.#whole.listens.isUsed(share, now) || this.#whole.failures[kind].isUsed(share, now);
  }

  /** A guess that missed: `connect` to a code that is not there, or `listen` for one that is. */
  recordFailure(address: string, kind: CodeKind, now: number): void {
    this.#idle.add(address, now);
    this.#each(address, (usage) => usage.failures[kind].record(now));
  }

  /** A look-up of this instance alone that missed. It is a brake on such look-ups, and on nothing else. */
  recordMiss(address: string, kind: CodeKind, now: number): void {
    this.#idle.add(address, now);
    this.#each(address, (usage) => usage.misses[kind].record(now));
  }

  /** Forgets addresses that use nothing and did nothing for a minute. */
  expire(now: number): void {
    for (const address of this.#idle.takeExpired(now)) {
      const usage = this.#addresses.get(address);
      if (usage && usage.connections + usage.sockets > 0) this.#idle.add(address, now);
      else this.#addresses.delete(address);
    }
  }

  #take(
    act: keyof typeof exhausted,
    address: string,
    now: number,
    take: (usage: Usage) => void,
    kind: CodeKind = "short",
  ): Overuse | undefined {
    let usage = this.#addresses.get(address);
    if (usage === undefined) {
      if (this.#addresses.size >= this.#limits["relay.addresses"]) return "relay_capacity";
      usage = new Usage(this.#limits, "address");
      this.#addresses.set(address, usage);
    }
    this.#idle.add(address, now);
    if (exhausted[act](usage, now, kind)) return "rate_limited";
    if (exhausted[act](this.#whole, now, kind)) return "relay_capacity";
    take(usage);
    take(this.#whole);
    return undefined;
  }

  #each(address: string, change: (usage: Usage) => void): void {
    const usage = this.#addresses.get(address);
    if (usage) change(usage);
    change(this.#whole);
  }
}
