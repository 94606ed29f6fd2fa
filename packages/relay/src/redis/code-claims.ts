import type { RelayErrorCode } from "@authmesh/core";
import { ExpiryQueue } from "../expiry-queue.js";
import type { Peer } from "../peer.js";
import { kindOf } from "../rate-limit.js";
import { lifeOf, type Session } from "../session-registry.js";
import { placesIn, type Reply, refusalOf } from "./reply.js";
import { beatScript, claimScript, releaseScript, type Script } from "./scripts.js";

export interface ClaimParts {
  /** @throws AmeshError `relay_store_unavailable` */
  ask(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply>;
  /** Where a code lies. */
  keyOf(code: string): string;
  /** Where this instance says that it lives. */
  myKey(): string;
  /** A session is somebody else's by now. */
  superseded(session: Session<Peer>): void;
  drawId(): string;
  /** Milliseconds, never going back. */
  now(): number;
}

interface Claim {
  readonly id: string;
  readonly session: Session<Peer>;
  /** Until when it may wait. */
  readonly deadline: number;
}

/** Milliseconds for which Redis keeps a code, and after which one that waits longer is claimed again. */
const leaseMs = 60_000;
const renewMs = 20_000;
/** Codes claimed again by one command: few, for Redis keeps what slow commands were given. */
const batch = 50;

/** The codes that this instance holds, and has Redis hold (docs/protocol.md, section 6.7). */
export class CodeClaims {
  readonly #parts: ClaimParts;
  readonly #bySession = new Map<Session<Peer>, Claim>();
  readonly #byId = new Map<string, Claim>();
  readonly #leases = new ExpiryQueue<Claim>(renewMs);
  /** Claims that Redis has not answered: it may refuse them yet. */
  readonly #asked = new Set<Claim>();
  /** Claims that Redis holds and should not. */
  readonly #owed = new ExpiryQueue<Claim>(leaseMs);

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** The session that waits under the id that other instances know it by. */
  session(id: string): Session<Peer> | undefined {
    return this.#byId.get(id)?.session;
  }

  /** As `Directory.claim`. */
  claim(session: Session<Peer>, address: string, settle: (refusal?: RelayErrorCode) => void): void {
    const { ask, keyOf, drawId, now } = this.#parts;
    const { code } = session;
    const life = lifeOf(code);
    const claim = { id: drawId(), session, deadline: now() + life };
    this.#bySession.set(session, claim);
    this.#byId.set(claim.id, claim);
    if (life > leaseMs) this.#leases.add(claim, now());
    const args = [claim.id, String(Math.min(life, leaseMs)), address, kindOf(code)];
    this.#asked.add(claim);
    const asked = ask(claimScript, [keyOf(code)], args).finally(() => this.#asked.delete(claim));
    asked.then(
      (reply) => {
        if (reply.word === "claimed") {
          // A script that Redis did not know is sent twice: what gives the code back may have come in between.
          if (!this.#byId.has(claim.id)) this.#giveBack(claim);
          return settle();
        }
        this.#drop(claim);
        settle(refusalOf(reply));
      },
      () => settle("relay_store_unavailable"),
    );
  }

  /** As `Directory.release`. */
  release(session: Session<Peer>): void {
    const claim = this.#bySession.get(session);
    if (claim === undefined) return;
    this.#drop(claim);
    this.#giveBack(claim);
  }

  /** Has Redis hold all codes that wait, whatever it knew of them. */
  reclaim(): void {
    this.#reclaim([...this.#bySession.values()]);
  }

  /** Has Redis forget what it could not be told of while it was gone. */
  repay(): void {
    for (const claim of this.#owed.takeExpired(Infinity)) this.#giveBack(claim);
  }

  /** Renews what is due. */
  sweep(): void {
    const now = this.#parts.now();
    this.#owed.takeExpired(now);
    const due = this.#leases.takeExpired(now);
    for (const claim of due) this.#leases.add(claim, now);
    this.#reclaim(due);
  }

  #drop(claim: Claim): void {
    this.#bySession.delete(claim.session);
    this.#byId.delete(claim.id);
    this.#leases.delete(claim);
  }

  #giveBack(claim: Claim): void {
    const { ask, keyOf, now } = this.#parts;
    ask(releaseScript, [keyOf(claim.session.code)], [claim.id]).catch(() => this.#owed.add(claim, now()));
  }

  #reclaim(claims: readonly Claim[]): void {
    const { ask, keyOf, myKey } = this.#parts;
    const now = this.#parts.now();
    const waiting = claims.filter(
      (claim) => claim.session.connector === undefined && claim.deadline > now && !this.#asked.has(claim),
    );
    for (let start = 0; start < waiting.length; start += batch) {
      const some = waiting.slice(start, start + batch);
      const keys = some.map(({ session }) => keyOf(session.code));
      const args = some.flatMap(({ id, deadline }) => [
        id,
        String(Math.ceil(Math.min(deadline - now, leaseMs))),
      ]);
      ask(beatScript, [myKey(), ...keys], args).then(
        ({ first }) => {
          for (const place of placesIn(first)) this.#supersede(some[place]);
        },
        () => {}, // Redis is gone, and is told of them when it is back.
      );
    }
  }

  #supersede(claim: Claim | undefined): void {
    if (claim === undefined || !this.#bySession.has(claim.session)) return;
    this.#drop(claim);
    if (claim.session.connector === undefined) this.#parts.superseded(claim.session);
  }
}
