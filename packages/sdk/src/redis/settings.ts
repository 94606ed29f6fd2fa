import { checkRedisOptions, integer, type OptionRules, redisRules } from "./option-rules.js";
import type { RedisNonceStoreOptions } from "./redis-nonce-store.js";

type Defaulted =
  | "prefix"
  | "timeoutMs"
  | "onOutage"
  | "emptyStore"
  | "allowEviction"
  | "failureThreshold"
  | "pauseMs"
  | "maxWaiting"
  | "watchMs"
  | "now";

/** Checked options, with either a client or a URL. */
export type StoreSettings = RedisNonceStoreOptions & Required<Pick<RedisNonceStoreOptions, Defaulted>>;

const defaults: Required<Pick<RedisNonceStoreOptions, Defaulted>> = {
  prefix: "am:",
  timeoutMs: 250,
  onOutage: "deny",
  emptyStore: "new",
  allowEviction: false,
  failureThreshold: 5,
  pauseMs: 1000,
  maxWaiting: 10_000,
  watchMs: 5000,
  now: Date.now,
};

const rules: OptionRules<RedisNonceStoreOptions> = {
  ...redisRules,
  timeoutMs: integer(1, 10_000),
  onOutage: [(value) => value === "deny" || value === "local", 'must be "deny" or "local"'],
  emptyStore: [(value) => value === "new" || value === "forgotten", 'must be "new" or "forgotten"'],
  allowEviction: [(value) => typeof value === "boolean", "must be true or false"],
  failureThreshold: integer(1, 1000),
  pauseMs: integer(1, 60_000),
  maxWaiting: integer(1, 1_000_000),
  watchMs: integer(10, 60_000),
  observe: [(value) => typeof value === "function", "must be a function"],
  now: [(value) => typeof value === "function", "must be a function"],
};

/** @throws TypeError for options that make no sense */
export const checkOptions = (
  options: RedisNonceStoreOptions,
  env?: Readonly<Record<string, string | undefined>>,
): StoreSettings => ({ ...defaults, ...checkRedisOptions("RedisNonceStore", options, rules, env) });
