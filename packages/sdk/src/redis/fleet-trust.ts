import {
  AmeshError,
  type Failure,
  failure,
  LogThrottle,
  outageReason,
  parseRequirement,
  type Role,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { mostFleetStatements } from "@authmesh/keystore";
import { ageOf, type Clocks, type Moment, momentOf, within } from "@authmesh/oath/timing";
import type { FleetStatus, RevocationScene } from "../device-revocations.js";
import { warnOnce } from "../warn-once.js";
import { Lookout } from "./lookout.js";
import { mostStatements, type RevocationStream } from "./revocation-stream.js";
import { type Ignored, RevokedDevices } from "./revoked-devices.js";

export interface FleetTrustOptions extends RevocationScene, Clocks {
  readonly stream: Promise<RevocationStream>;
  readonly maxStaleSeconds: number;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly random: () => number;
}

/** Milliseconds after which the whole stream is read again, to put back what was cut off. */
const wholeAgainMs = 600_000;
/** Milliseconds by which the clocks of Redis and of this machine may differ. */
const mostAheadMs = 86_400_000;
/** Milliseconds within which all that remember something put it back: the first spares the others. */
const putBackWithinMs = 3000;
const keepAgainMs = 60_000;
const putBackAtOnce = 100;
const pagesAtOnce = (2 * mostStatements) / 1000;
const mayManage = parseRequirement("__manage:w");

/**
 * A trust store, less whom the fleet revoked (docs/protocol.md, section 9.5). It follows the stream by looking again and again. While Redis is
 * away it goes on with what it knows, for `maxStaleSeconds`; a Redis that forgot is told again.
 */
export class FleetTrust implements TrustStore {
  readonly #options: FleetTrustOptions;
  readonly #revoked: RevokedDevices;
  readonly #lookout: Lookout;
  readonly #begun: Promise<void>;
  readonly #throttle = new LogThrottle<string>();
  readonly #listeners = new Set<() => void>();
  /** The id of the entry that was read last; "": the stream is to be read from its beginning. */
  #last = "";
  /** Whether something in the stream was ignored for who signed it, since it was read from its beginning. */
  #notBelieved = false;
  #wholeAt = Number.NEGATIVE_INFINITY;
  /** What is believed, and was not seen since the stream was read from its beginning. */
  #missing = new Set<string>();
  #putBackAt = 0;
  #recalled = false;
  /** Whether something is believed that is not kept yet. */
  #unkept = false;
  /** When it is tried to keep it, at the earliest. */
  #keepAt = Number.NEGATIVE_INFINITY;
  #keeping: Promise<void> | undefined;
  #looking: Promise<unknown> | undefined;
  #confirmed: Moment | undefined;
  #away = false;
  #applied = 0;

  constructor(options: FleetTrustOptions) {
    this.#options = options;
    const { trust, pollMs } = options;
    this.#revoked = new RevokedDevices(mostFleetStatements, (signer, key) => this.#mayRevoke(signer, key));
    let begin = () => {};
    this.#begun = new Promise((resolve) => {
      begin = resolve;
    });
    const look = () => {
      const looking = this.#look().finally(begin);
      this.#looking = looking.catch(() => {});
      return looking;
    };
    this.#lookout = new Lookout(look, { calmMs: pollMs, uneasyMs: pollMs });
    this.#lookout.call();
    trust.onChange(() => {
      if (this.#notBelieved) this.#last = ""; // its signer may be believed now
      this.#lookout.call();
      this.#tell();
    });
  }

  /** Resolves, never rejects, when the stream was read or could not be read. */
  async ready(): Promise<void> {
    await this.#options.ready();
    await this.#begun;
  }

  check(): Failure | undefined {
    const { trust, maxStaleSeconds } = this.#options;
    const broken = trust.check();
    if (broken !== undefined || this.staleSeconds <= maxStaleSeconds) return broken;
    return failure(
      "trust_stale",
      `What the fleet revoked was ${this.#confirmed === undefined ? "never read" : `read ${Math.floor(this.staleSeconds)} s ago`}.`,
      "See that Redis can be reached from here.",
    );
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#options.trust.find(key, role);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#options.trust.findById(deviceId, role);
  }

  isRevoked(deviceId: string): boolean {
    return this.#options.trust.isRevoked(deviceId) || this.#revoked.isRevoked(deviceId);
  }

  get audience(): readonly string[] {
    return this.#options.trust.audience;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Seconds since the stream was read to its end; Infinity before it ever was. */
  get staleSeconds(): number {
    return this.#confirmed === undefined
      ? Number.POSITIVE_INFINITY
      : ageOf(this.#confirmed, this.#options) / 1000;
  }

  get status(): FleetStatus {
    const connected = this.#confirmed !== undefined && !this.#away;
    return { ageSeconds: this.staleSeconds, connected, applied: this.#applied };
  }

  /** Looks at once: there is a connection. */
  call(): void {
    this.#lookout.call();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#lookout.stop();
    await this.#looking;
    await this.#keeping;
  }

  async #look(): Promise<boolean> {
    const { trust, ready, logger } = this.#options;
    await ready();
    if (trust.check() !== undefined) return false; // nobody can say who is to be believed
    this.#recall();
    try {
      const stream = await this.#options.stream;
      await this.#follow(stream);
      this.#remember();
      await this.#putBack(stream);
    } catch (error) {
      if (!this.#away)
        logger.warn(
          `what the fleet revokes cannot be read: ${outageReason(error)}; what is known holds for another ${this.#secondsLeft()} s`,
        );
      this.#away = true;
      return false;
    }
    if (this.#away) logger.warn("what the fleet revokes can be read again");
    this.#away = false;
    return true;
  }

  async #follow(stream: RevocationStream): Promise<void> {
    const { timeoutMs, monotonic } = this.#options;
    const at = momentOf(this.#options);
    if (monotonic() - this.#wholeAt > wholeAgainMs) this.#last = "";
    const before = this.#applied;
    try {
      for (let pages = 0; pages < pagesAtOnce; pages++) {
        if (this.#last === "") this.#beginAnew();
        const asked = this.#last;
        const page = await within(timeoutMs, stream.read(asked));
        if (page === "lost") {
          this.#last = "";
          continue;
        }
        for (const statement of page.statements) this.#hear(statement);
        if (this.#last !== asked) continue; // the trust store changed meanwhile
        this.#last = page.last;
        this.#warnOfFuture(page.last);
        if (page.more) continue;
        this.#confirmed = at;
        return;
      }
    } finally {
      if (this.#applied > before) {
        this.#unkept = true;
        this.#tell();
      }
    }
    throw new Error("the stream grows faster than it can be read");
  }

  #beginAnew(): void {
    const { monotonic, random } = this.#options;
    this.#wholeAt = monotonic();
    this.#notBelieved = false;
    // An empty stream is read from its beginning each time; what waits to be put back there does not begin to wait anew.
    if (this.#missing.size === 0) this.#putBackAt = this.#wholeAt + random() * putBackWithinMs;
    this.#missing = new Set(this.#revoked.statements());
  }

  #hear(statement: string): void {
    if (this.#missing.delete(statement)) return;
    const heard = this.#revoked.hear(statement);
    if (heard === "believed") this.#applied += 1;
    if (typeof heard === "object") this.#ignored(heard);
  }

  #ignored({ ignored: why, forSigner = false }: Ignored): void {
    this.#notBelieved ||= forSigner;
    const { logger, monotonic } = this.#options;
    const leftOut = this.#throttle.admit("ignored", monotonic());
    if (leftOut === undefined) return;
    const more = leftOut === 0 ? "" : ` (${leftOut} more were, since the last such line)`;
    logger.warn(`a statement about whom the fleet revokes is ignored: ${why}${more}`);
  }

  /** What was believed before a restart holds at once, and is put back if Redis forgot it. */
  #recall(): void {
    if (this.#recalled) return;
    this.#recalled = true;
    try {
      for (const statement of this.#options.memory()?.recall() ?? []) this.#revoked.restore(statement);
    } catch (error) {
      this.#cannotKeep(error);
    }
  }

  /** Beside the looks: a folder that is locked keeps no revocation waiting. */
  #remember(): void {
    const { memory, monotonic } = this.#options;
    if (!this.#unkept || this.#keeping !== undefined || monotonic() < this.#keepAt) return;
    this.#unkept = false;
    this.#keeping = Promise.resolve(memory()?.remember([...this.#revoked.statements()]))
      .catch((error: unknown) => {
        this.#unkept = true;
        this.#keepAt = monotonic() + keepAgainMs;
        this.#cannotKeep(error);
      })
      .finally(() => {
        this.#keeping = undefined;
      });
  }

  /** Ids only grow: behind the highest that there is, Redis takes no entry. */
  #warnOfFuture(id: string): void {
    const { logger, now } = this.#options;
    if (Number(id.split("-")[0]) > now() + mostAheadMs)
      warnOnce(
        logger,
        "the fleet's stream in Redis has an entry of an id far in the future, after which there may be no room for others: find out who wrote it, and delete the stream's key; this server tells again what it remembers",
      );
  }

  #cannotKeep(error: unknown): void {
    if (!(error instanceof AmeshError)) throw error;
    const { logger } = this.#options;
    warnOnce(
      logger,
      `what the fleet revoked is known until this process ends, and no longer: ${error.message}`,
    );
  }

  async #putBack(stream: RevocationStream): Promise<void> {
    const { timeoutMs, monotonic } = this.#options;
    if (this.#missing.size === 0 || monotonic() < this.#putBackAt) return;
    for (const statement of [...this.#missing].slice(0, putBackAtOnce)) {
      await within(timeoutMs, stream.append(statement));
      this.#missing.delete(statement);
    }
  }

  #mayRevoke(signer: string, key: string): boolean {
    const { trust, revokers, now } = this.#options;
    if (revokers().includes(signer)) return true;
    const device = trust.isRevoked(signer) ? undefined : trust.find(key, "controller");
    if (device === undefined || !mayManage(device.scopes)) return false;
    return device.expiresAt === undefined || now() < device.expiresAt * 1000;
  }

  #secondsLeft(): number {
    const { maxStaleSeconds } = this.#options;
    return Math.max(0, Math.floor(maxStaleSeconds - Math.min(this.staleSeconds, maxStaleSeconds)));
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
