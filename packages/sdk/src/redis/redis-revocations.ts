import type { TrustStore } from "@authmesh/core";
import { type Clocks, systemClocks } from "@authmesh/oath/timing";
import type { DeviceRevocations, FleetStatus, RevocationScene } from "../device-revocations.js";
import { FleetTrust } from "./fleet-trust.js";
import { openRedis } from "./open-redis.js";
import {
  checkRedisOptions,
  integer,
  type OptionRules,
  type RedisOptions,
  redisRules,
} from "./option-rules.js";
import { commandsOver, type RedisClient, type RedisConnection } from "./redis-client.js";
import { RevocationStream } from "./revocation-stream.js";

/** Options of a `RedisRevocations`. All are optional. */
export interface RedisRevocationsOptions extends Omit<RedisOptions, "logger">, Partial<Clocks> {
  /** "redis://…" or "rediss://…", with user and password if need be. Default: the variable REDIS_URL. */
  readonly redisUrl?: string;
  /** A client or a cluster of ioredis or redis that the application has already. It stays the application's. */
  readonly client?: RedisClient;
  /** What keys begin with. The whole fleet has the same. Default "ar:". */
  readonly prefix?: string;
  /** Seconds after which nobody is let in any more if Redis could not be read: 503 `trust_stale`. Default 3600. */
  readonly maxStaleSeconds?: number;
  /** Milliseconds between looks at Redis, one small command each. Default 500. */
  readonly pollMs?: number;
  /** Milliseconds an answer of Redis may take. Default 2000. */
  readonly timeoutMs?: number;
  /** A number from 0 to 1, so that not all put back at once what a Redis forgot. Default `Math.random`. */
  readonly random?: () => number;
}

const defaults = {
  ...systemClocks,
  prefix: "ar:",
  maxStaleSeconds: 3600,
  pollMs: 500,
  timeoutMs: 2000,
  random: Math.random,
};

const aFunction = [(value: unknown) => typeof value === "function", "must be a function"] as const;
const { logger: _, ...ofRedis } = redisRules;
const rules: OptionRules<RedisRevocationsOptions> = {
  ...ofRedis,
  maxStaleSeconds: integer(1, 31_536_000),
  pollMs: integer(10, 60_000),
  timeoutMs: integer(1, 10_000),
  now: aFunction,
  monotonic: aFunction,
  random: aFunction,
};

/**
 * What a fleet that shares a Redis revokes without an authority (docs/protocol.md, section 9.5). Needs `ioredis` or `redis`. Verifiers apply a
 * revocation within a second; while Redis is away they go on with what they know.
 *
 * @example
 * app.use(amesh.verify({ revocations: new RedisRevocations("redis://localhost:6379") }));
 */
export class RedisRevocations implements DeviceRevocations {
  readonly #settings: RedisRevocationsOptions & typeof defaults;
  readonly #followers = new Set<FleetTrust>();
  #opened: Promise<RedisConnection> | undefined;

  /**
   * @param target where Redis is, or options. Default: the variable REDIS_URL
   * @throws TypeError for options that make no sense
   */
  constructor(target: string | RedisRevocationsOptions = {}) {
    const options = typeof target === "string" ? { redisUrl: target } : target;
    this.#settings = { ...defaults, ...checkRedisOptions("RedisRevocations", options, rules) };
  }

  over(scene: RevocationScene): TrustStore & { ready(): Promise<void> } {
    const { prefix, ...settings } = this.#settings;
    this.#opened ??= this.#open();
    const stream = this.#opened.then((commands) => new RevocationStream(commands, prefix));
    stream.catch(() => {}); // each look says it
    const follower = new FleetTrust({ ...settings, ...scene, stream });
    this.#followers.add(follower);
    return follower;
  }

  /** Seconds since the stream was read to its end: of the verifier that is worst off. Infinity before it ever was. */
  get staleSeconds(): number {
    return Math.max(0, ...[...this.#followers].map(({ staleSeconds }) => staleSeconds));
  }

  /** Of the verifier that is worst off; undefined before there is one. */
  get status(): FleetStatus | undefined {
    const each = [...this.#followers].map(({ status }) => status);
    if (each.length === 0) return undefined;
    return {
      ageSeconds: this.staleSeconds,
      connected: each.every(({ connected }) => connected),
      applied: Math.max(...each.map(({ applied }) => applied)),
    };
  }

  /** Follows no more, and closes the connection unless it is the application's. */
  async close(): Promise<void> {
    const stopped = [...this.#followers].map((follower) => follower.stop());
    await this.#opened?.then(
      (commands) => commands.close(),
      () => {},
    );
    await Promise.all(stopped);
  }

  async #open(): Promise<RedisConnection> {
    const { client, redisUrl } = this.#settings;
    const commands = client === undefined ? await openRedis(redisUrl as string, 1000) : commandsOver(client);
    commands.onReady(() => {
      for (const follower of this.#followers) follower.call();
    });
    return commands;
  }
}
