import {
  AmeshError,
  CircuitBreaker,
  type CircuitState,
  type Failure,
  failure,
  InMemoryNonceStore,
  isoTime,
  type NonceStore,
  outageReason,
} from "@authmesh/core";
import { within } from "@authmesh/oath/timing";
import { consoleLogger, harmless, type Logger } from "../logger.js";
import { Lookout } from "./lookout.js";
import { openRedis } from "./open-redis.js";
import { commandsOver, type RedisClient, type RedisConnection } from "./redis-client.js";
import { checkOptions, type StoreSettings } from "./settings.js";
import { SharedMemory } from "./shared-memory.js";

/** Options of a `RedisNonceStore`. All are optional. */
export interface RedisNonceStoreOptions {
  /** "redis://…" or "rediss://…", with user and password if need be. Default: the variable REDIS_URL. */
  readonly redisUrl?: string;
  /** A client or a cluster of ioredis or redis that the application has already. It stays the application's. */
  readonly client?: RedisClient;
  /** What keys begin with. All instances of one audience have the same. Default "am:". */
  readonly prefix?: string;
  /** Milliseconds a check may take. Default 250. */
  readonly timeoutMs?: number;
  /**
   * What becomes of requests while Redis cannot be asked. "deny": they are refused with 503. "local": this process
   * remembers alone, which is right for a single instance and for nothing else. Default "deny".
   */
  readonly onOutage?: "deny" | "local";
  /**
   * What an empty Redis means to a process that starts: "new", that nobody accepted anything before, or "forgotten",
   * that requests stamped until then have to be refused for as long as they could be replays. Default "new". A process
   * that accepted something never takes an empty Redis for a new one.
   */
  readonly emptyStore?: "new" | "forgotten";
  /** Use a Redis that drops keys when its memory is full, and with them nonces that are still good. Default false. */
  readonly allowEviction?: boolean;
  /** Failures in a row after which Redis is left alone for a while. Default 5. */
  readonly failureThreshold?: number;
  /** Milliseconds for which it is left alone, before one check tries again. Default 1000. */
  readonly pauseMs?: number;
  /** Checks that may wait for Redis, each with two short commands; more are refused at once. Default 10,000. */
  readonly maxWaiting?: number;
  /**
   * Milliseconds between looks at Redis, by which a loss is noticed and dated while no requests come: one small
   * command each. While Redis cannot be asked, and for a minute after a loss, at least every second. Default 5000.
   */
  readonly watchMs?: number;
  /** Called with what happens, for metrics. Must not throw. */
  readonly observe?: (event: NonceStoreEvent) => void;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

interface Opened {
  readonly commands: RedisConnection;
  readonly memory: SharedMemory;
  readonly unlisten: () => void;
}

/** What a store tells those who count. */
export type NonceStoreEvent =
  | {
      readonly type: "check";
      /** "fresh" and "seen" are Redis's answers (or, for "seen", the local memory's). "local": accepted without Redis. */
      readonly outcome: "fresh" | "seen" | "local" | "unavailable";
      readonly milliseconds: number;
    }
  | { readonly type: "circuit"; readonly from: CircuitState; readonly to: CircuitState }
  /** The store was found to have lost its memory, at this Unix second. */
  | { readonly type: "forgotten"; readonly second: number };

/**
 * Remembers nonces in Redis, for any number of instances (docs/protocol.md, section 2.9). Needs `ioredis` or `redis`.
 *
 * @example
 * app.use(amesh.verify({ nonceStore: new RedisNonceStore("redis://localhost:6379") }));
 * new RedisNonceStore();                    // REDIS_URL
 * new RedisNonceStore({ client: redis });   // one that is there already
 *
 * A check is one round trip: `SET key 1 NX PX ms`, and right behind it a question that shows whether the Redis is still
 * the one it was. Keys take 128 bits of the nonce's hash. When the Redis was restarted, replaced or emptied, what may have
 * been accepted before is refused.
 */
export class RedisNonceStore implements NonceStore {
  readonly #settings: StoreSettings;
  readonly #logger: Logger;
  readonly #breaker: CircuitBreaker;
  readonly #local: InMemoryNonceStore | undefined;
  readonly #startedAt: number;
  readonly #ready: Promise<Opened>;
  readonly #lookout: Lookout;
  #memory: SharedMemory | undefined;
  #reason = "it was not asked yet";
  /** Why the last look at Redis failed. */
  #away: string | undefined = "it was not asked yet";
  /** Nothing was known of Redis when this process began to accept: neither is what a process before it accepted. */
  #beganBlind = false;

  /**
   * @param target where Redis is, or options. Default: the variable REDIS_URL
   * @throws TypeError for options that make no sense
   */
  constructor(target: string | RedisNonceStoreOptions = {}) {
    const settings = checkOptions(typeof target === "string" ? { redisUrl: target } : target);
    this.#settings = settings;
    this.#logger = harmless(settings.logger ?? consoleLogger);
    this.#startedAt = this.#second();
    this.#breaker = new CircuitBreaker(
      { failures: settings.failureThreshold, pauseMs: settings.pauseMs },
      (from, to) => this.#circuitChanged(from, to),
    );
    if (settings.onOutage === "local") {
      this.#local = new InMemoryNonceStore({ now: settings.now });
      this.#logger.warn(
        'onOutage is "local": while Redis is away this process remembers nonces alone. Several instances would each accept a request.',
      );
    }
    const { watchMs } = settings;
    this.#lookout = new Lookout(() => this.#look(), { calmMs: watchMs, uneasyMs: Math.min(watchMs, 1000) });
    this.#ready = this.#open();
    this.#ready
      .then(({ memory }) => within(10 * settings.timeoutMs, memory.establish()))
      .then(
        () => {
          this.#away = undefined;
        },
        (error: unknown) => {
          this.#away = outageReason(error);
          this.#logger.warn(`the nonce store cannot be asked: ${this.#away}`);
          this.#lookout.call();
        },
      );
  }

  get acceptsFrom(): number | undefined {
    const beganAt = this.#memory?.beganAt;
    return beganAt === undefined ? undefined : this.#ownKnowledge(beganAt - 1);
  }

  get forgotAt(): number | undefined {
    const forgotAt = this.#beganBlind ? this.#startedAt : this.#memory?.forgotAt;
    return forgotAt === undefined ? undefined : this.#ownKnowledge(forgotAt);
  }

  /** @throws AmeshError `replay_store_unavailable`, `package_missing`; with `onOutage: "local"` also `replay_store_full` */
  async checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean> {
    if (!(windowSeconds > 0 && Number.isFinite(windowSeconds))) {
      throw new TypeError("windowSeconds must be a positive number.");
    }
    const started = performance.now();
    let outcome: Extract<NonceStoreEvent, { type: "check" }>["outcome"] = "unavailable";
    try {
      outcome = await this.#check(nonce, windowSeconds);
      return outcome !== "seen";
    } finally {
      this.#observe({ type: "check", outcome, milliseconds: performance.now() - started });
    }
  }

  check(): Failure | undefined {
    return this.#away === undefined || this.#local !== undefined
      ? undefined
      : failure("replay_store_unavailable", unasked(this.#away));
  }

  /** Closes the connection, unless it is the application's. */
  async close(): Promise<void> {
    this.#lookout.stop();
    await this.#ready.then(
      ({ commands, unlisten }) => {
        unlisten();
        return commands.close();
      },
      () => {},
    );
  }

  async #check(nonce: string, windowSeconds: number): Promise<"fresh" | "seen" | "local"> {
    // Where this process must be able to go on alone it remembers everything itself, at all times.
    if (this.#local !== undefined && !(await this.#local.checkAndRecord(nonce, windowSeconds))) return "seen";
    const admission = this.#breaker.admit(performance.now());
    if (admission === undefined) return this.#withoutRedis();
    try {
      const milliseconds = Math.ceil(windowSeconds * 1000);
      const answer = await within(this.#settings.timeoutMs, this.#ask(nonce, milliseconds));
      this.#breaker.report(admission, "succeeded", performance.now());
      if (answer !== "changed") return answer;
      this.#reason = "it is not the one that it was";
    } catch (error) {
      if (error instanceof AmeshError && error.code === "package_missing") throw error;
      this.#reason = outageReason(error);
      this.#breaker.report(admission, "failed", performance.now());
    }
    return this.#withoutRedis();
  }

  async #ask(nonce: string, milliseconds: number): Promise<"fresh" | "seen" | "changed"> {
    return this.#notOverloaded(await this.#ready).record(nonce, milliseconds);
  }

  /** Beside the circuit: that decides for requests, and a loss is to be dated as soon as there is an answer. */
  async #look(): Promise<boolean> {
    try {
      const calm = await within(10 * this.#settings.timeoutMs, this.#notOverloaded(await this.#ready).look());
      this.#away = undefined;
      return calm;
    } catch (error) {
      this.#away = outageReason(error);
      throw error;
    }
  }

  #notOverloaded({ memory }: Opened): SharedMemory {
    if (memory.waiting < this.#settings.maxWaiting) return memory;
    throw new AmeshError("replay_store_unavailable", `${memory.waiting} checks wait for an answer`);
  }

  #withoutRedis(): "local" {
    if (this.#local === undefined) {
      // No cause goes along: the libraries' errors carry commands, and with them passwords.
      throw new AmeshError("replay_store_unavailable", unasked(this.#reason));
    }
    if (!this.#memory?.established) this.#beganBlind = true;
    this.#memory?.acceptedElsewhere(this.#second());
    return "local";
  }

  /** What this process accepted itself it knows by itself, if it remembers at all; only earlier things are lost. */
  #ownKnowledge(second: number): number {
    return this.#local === undefined ? second : Math.min(second, this.#startedAt);
  }

  async #open(): Promise<Opened> {
    const { client, redisUrl, maxWaiting } = this.#settings;
    const commands =
      client === undefined ? await openRedis(redisUrl as string, 2 * maxWaiting) : commandsOver(client);
    this.#memory = new SharedMemory(commands, this.#settings, (second) => this.#forgotten(second));
    const unlisten = commands.onReady(() => this.#lookout.call());
    return { commands, memory: this.#memory, unlisten };
  }

  #circuitChanged(from: CircuitState, to: CircuitState): void {
    const meanwhile =
      this.#local === undefined
        ? "requests are refused until it is back"
        : "this process remembers alone until it is back";
    if (from === "closed") {
      this.#logger.warn(`the nonce store cannot be asked: ${this.#reason}; ${meanwhile}`);
      // What looks at Redis by itself takes longer to give up; the first look that is answered takes it back.
      this.#away = this.#reason;
      this.#lookout.call();
    } else if (to === "closed") this.#logger.warn("the nonce store is back");
    else this.#logger.debug(`the nonce store's circuit is ${to}`);
    this.#observe({ type: "circuit", from, to });
  }

  #forgotten(second: number): void {
    this.#logger.warn(
      `the nonce store lost its memory at ${isoTime(second)}; requests that it may have forgotten are refused`,
    );
    this.#observe({ type: "forgotten", second });
  }

  #observe(event: NonceStoreEvent): void {
    try {
      this.#settings.observe?.(event);
    } catch {
      // Counting must not decide on requests.
    }
  }

  #second(): number {
    return Math.floor(this.#settings.now() / 1000);
  }
}

const unasked = (reason: string): string => `The nonce store cannot be asked: ${reason.replace(/\.$/, "")}.`;
