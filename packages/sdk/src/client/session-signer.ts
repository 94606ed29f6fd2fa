import { AmeshError, createDelegation, SessionKey } from "@authmesh/core";
import { unreferencedTimer } from "@authmesh/oath/timing";
import type { Logger } from "../logger.js";
import { type ClientIdentity, type ClientSigner, closedClient, type SignerSource } from "./request-signer.js";

export interface SessionOptions {
  readonly identity: ClientIdentity;
  /** Hosts, each as `normalizeHost` writes it. Default: sessions are good everywhere. */
  readonly audience?: readonly string[] | undefined;
  readonly logger: Logger;
  /** 1 to 300. Default 300. */
  readonly lifetimeSeconds?: number | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds that only grow. Default `performance.now`. */
  readonly monotonic?: (() => number) | undefined;
  /** Calls back after some milliseconds; returns the way to stop that. Default: a timer that keeps no process alive. */
  readonly schedule?: ((callback: () => void, ms: number) => () => void) | undefined;
}

interface Session {
  readonly key: SessionKey;
  readonly signer: ClientSigner;
  /** When it began, on either clock. */
  readonly wall: number;
  readonly monotonic: number;
}

/** Shares of a delegation's life. */
const renewAt = 0.6;
/** The rest is for verifiers whose clocks are ahead. */
const endAt = 0.9;
/** A clock set back further than this before a session's begin makes it useless: verifiers find it not valid yet. */
const mostSetBack = 0.1;
const retryAfter = 0.05;
/** How long a renewal waits for the store: one that fails then is tried again while the present session serves. */
const patience = 0.2;

/**
 * Signs requests with keys in memory, for each of which the device's key, wherever it lives, signs one delegation
 * (docs/protocol.md, section 4). The next session is made ready while the present one still serves, so that only the
 * first request waits; and one whose clock was set by more than a delegation can bear.
 */
export class SessionSigner implements SignerSource {
  readonly #options: SessionOptions;
  readonly #lifeMs: number;
  readonly #now: () => number;
  readonly #monotonic: () => number;
  #present: Session | undefined;
  #flight: Promise<Session> | undefined;
  #retryAt = Number.NEGATIVE_INFINITY;
  #cancelTimer = () => {};
  /** Fails the flight, whatever the store still comes up with. */
  #interrupt: (reason: Error) => void = () => {};
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#lifeMs = (options.lifetimeSeconds ?? 300) * 1000;
    this.#now = options.now ?? Date.now;
    this.#monotonic = options.monotonic ?? (() => performance.now());
  }

  current(): ClientSigner | Promise<ClientSigner> {
    const session = this.#present;
    if (session === undefined || !this.#serves(session)) return this.#wait();
    if (this.#isDue(session)) this.#renewBehind();
    return session.signer;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    this.#interrupt(closedClient());
    this.#present?.key.forget();
    this.#present = undefined;
  }

  #serves(session: Session): boolean {
    return this.#age(session) < endAt * this.#lifeMs && this.#setBack(session) <= mostSetBack * this.#lifeMs;
  }

  #isDue(session: Session): boolean {
    const old = this.#age(session) >= renewAt * this.#lifeMs || this.#setBack(session) > 0;
    return old && this.#monotonic() >= this.#retryAt;
  }

  /** By the wall clock, as verifiers count it, or by the other one if the wall clock was set back meanwhile. */
  #age({ wall, monotonic }: Session): number {
    return Math.max(this.#now() - wall, this.#monotonic() - monotonic);
  }

  /** By how much the wall clock shows a time before the session's begin. */
  #setBack({ wall }: Session): number {
    return wall - this.#now();
  }

  async #wait(): Promise<ClientSigner> {
    const session = await this.#renew();
    // The clock may have been set while the store signed.
    return (this.#serves(session) ? session : await this.#renew()).signer;
  }

  #renewBehind(): void {
    if (this.#flight !== undefined) return;
    this.#renew().catch((error) => {
      if (!this.#closed) this.#report(error);
    });
  }

  /** One at a time, whoever asks. */
  #renew(): Promise<Session> {
    this.#flight ??= this.#begin().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #begin(): Promise<Session> {
    if (this.#closed) throw closedClient();
    const { identity, audience, lifetimeSeconds } = this.#options;
    const [wall, monotonic] = [this.#now(), this.#monotonic()];
    const key = SessionKey.generate();
    try {
      const signing = createDelegation({
        device: identity,
        session: key,
        audience,
        lifetimeSeconds,
        now: () => wall,
      });
      const delegation = await Promise.race([signing, this.#interruption()]);
      if (this.#closed) throw closedClient();
      const signer: ClientSigner = {
        key: key.publicKey.base64,
        deviceId: identity.publicKey.deviceId,
        sign: async (message) => key.sign(message),
        delegation,
      };
      this.#present?.key.forget();
      this.#present = { key, signer, wall, monotonic };
      this.#retryAt = Number.NEGATIVE_INFINITY;
      this.#schedule(renewAt);
      return this.#present;
    } catch (error) {
      key.forget();
      this.#retryAt = this.#monotonic() + retryAfter * this.#lifeMs;
      if (!this.#closed) this.#schedule(retryAfter);
      throw error;
    }
  }

  /** Rejects when the client is closed, or the store has no answer. The first may wait for a person: it takes its time. */
  #interruption(): Promise<never> {
    const seconds = (patience * this.#lifeMs) / 1000;
    const tooLate = () => new AmeshError("key_store_busy", `The key store did not sign within ${seconds} s.`);
    if (this.#present !== undefined) this.#schedule(patience, () => this.#interrupt(tooLate()));
    return new Promise((_, reject) => {
      this.#interrupt = reject;
    });
  }

  /** One timer at a time: for the next renewal, or for the one under way. */
  #schedule(share: number, callback = () => this.#renewBehind()): void {
    this.#cancelTimer();
    const { schedule = unreferencedTimer } = this.#options;
    this.#cancelTimer = schedule(callback, share * this.#lifeMs);
  }

  #report(error: unknown): void {
    const left = this.#present === undefined ? 0 : endAt * this.#lifeMs - this.#age(this.#present);
    const known = error instanceof AmeshError ? { code: error.code, fix: error.fix } : {};
    this.#options.logger.warn(
      `the session key could not be renewed: ${error instanceof Error ? error.message : String(error)}`,
      { ...known, secondsLeft: Math.max(0, Math.round(left / 1000)) },
    );
  }
}
