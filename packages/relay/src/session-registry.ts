import { isPairingCode } from "@authmesh/core";
import { ExpiryQueue } from "./expiry-queue.js";
import { lifetimes } from "./limits.js";

/** A code and the one or two peers that use it. */
export interface Session<Peer> {
  readonly code: string;
  readonly listener: Peer;
  connector: Peer | undefined;
  /** How many found the code answered already. */
  latecomers: number;
}

/** After so many latecomers a code is forgotten; the two that found each other go on. */
export const maxLatecomers = 5;

/** How long a code may wait, in milliseconds. */
export const lifeOf = (code: string): number =>
  isPairingCode(code) ? lifetimes.pairingCode : lifetimes.longCode;

/** Who waits under which code, who found whom, and how long each may last. Times in milliseconds. */
export class SessionRegistry<Peer> {
  readonly #capacity: number;
  readonly #byCode = new Map<string, Session<Peer>>();
  readonly #waiting = new ExpiryQueue<Session<Peer>>(lifetimes.pairingCode);
  readonly #waitingLong = new ExpiryQueue<Session<Peer>>(lifetimes.longCode);
  readonly #paired = new ExpiryQueue<Session<Peer>>(lifetimes.session);
  readonly #expiredCodes = new ExpiryQueue<string>(lifetimes.expiredCode);

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get waiting(): number {
    return this.#waiting.size + this.#waitingLong.size;
  }

  get paired(): number {
    return this.#paired.size;
  }

  /** Whether at least this share of the sessions that may be are. */
  isUsed(share: number): boolean {
    return this.waiting + this.paired >= this.#capacity * share;
  }

  /** Begins to wait under a code. */
  open(code: string, listener: Peer, now: number): Session<Peer> | "otc_in_use" | "relay_capacity" {
    if (this.#byCode.has(code)) return "otc_in_use";
    if (this.isUsed(1)) return "relay_capacity";
    const session: Session<Peer> = { code, listener, connector: undefined, latecomers: 0 };
    this.#byCode.set(code, session);
    this.#expiredCodes.delete(code);
    (isPairingCode(code) ? this.#waiting : this.#waitingLong).add(session, now);
    return session;
  }

  /** Answers a code; from now on the session has its own time. */
  join(
    code: string,
    connector: Peer,
    now: number,
  ): Session<Peer> | "otc_not_found" | "otc_expired" | "peer_already_connected" {
    const session = this.#byCode.get(code);
    if (session === undefined) return this.hasExpired(code) ? "otc_expired" : "otc_not_found";
    if (session.connector !== undefined) {
      session.latecomers += 1;
      if (session.latecomers >= maxLatecomers) this.#byCode.delete(code);
      return "peer_already_connected";
    }
    session.connector = connector;
    this.#waiting.delete(session);
    this.#waitingLong.delete(session);
    this.#paired.add(session, now);
    return session;
  }

  /** Begins a session whose code waits at another instance. */
  adopt(code: string, listener: Peer, connector: Peer, now: number): Session<Peer> | "relay_capacity" {
    if (this.isUsed(1)) return "relay_capacity";
    const session: Session<Peer> = { code, listener, connector, latecomers: 0 };
    this.#paired.add(session, now);
    return session;
  }

  /** Whether somebody waited under this code until its time was up, not long ago. */
  hasExpired(code: string): boolean {
    return this.#expiredCodes.has(code);
  }

  end(session: Session<Peer>): void {
    for (const queue of [this.#waiting, this.#waitingLong, this.#paired]) queue.delete(session);
    // The code may be somebody else's by now, when latecomers had it forgotten.
    if (this.#byCode.get(session.code) === session) this.#byCode.delete(session.code);
  }

  /** Ends what has lived its time. A session without a connector never found its other side. */
  takeExpired(now: number): Session<Peer>[] {
    this.#expiredCodes.takeExpired(now);
    const unanswered = [...this.#waiting.takeExpired(now), ...this.#waitingLong.takeExpired(now)];
    for (const { code } of unanswered) this.#expiredCodes.add(code, now);
    const expired = [...unanswered, ...this.#paired.takeExpired(now)];
    for (const session of expired) this.end(session);
    return expired;
  }
}
