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

/** What each option must be, and how that is said. A misspelt option would leave something open. */
const rules: {
  readonly [Name in keyof Required<RedisNonceStoreOptions>]: readonly [(value: unknown) => boolean, string];
} = {
  redisUrl: [isRedisUrl, "must be a URL that begins with redis:// or rediss://"],
  client: [(value) => typeof value === "object", "must be a client of ioredis or redis"],
  prefix: [
    (value) => typeof value === "string" && /^[\w.:-]{1,32}$/.test(value),
    "must be 1 to 32 letters, digits and _ . : -",
  ],
  timeoutMs: [between(1, 10_000), "must be an integer from 1 to 10000"],
  onOutage: [(value) => value === "deny" || value === "local", 'must be "deny" or "local"'],
  emptyStore: [(value) => value === "new" || value === "forgotten", 'must be "new" or "forgotten"'],
  allowEviction: [(value) => typeof value === "boolean", "must be true or false"],
  failureThreshold: [between(1, 1000), "must be an integer from 1 to 1000"],
  pauseMs: [between(1, 60_000), "must be an integer from 1 to 60000"],
  maxWaiting: [between(1, 1_000_000), "must be an integer from 1 to 1000000"],
  watchMs: [between(10, 60_000), "must be an integer from 10 to 60000"],
  observe: [(value) => typeof value === "function", "must be a function"],
  logger: [(value) => typeof value === "object", "must be a logger"],
  now: [(value) => typeof value === "function", "must be a function"],
};

/**
 * @throws TypeError for options that make no sense. No value is shown: a URL may hold a password
 */
export function checkOptions(
  options: RedisNonceStoreOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): StoreSettings {
  if (options.client !== undefined && options.redisUrl !== undefined)
    throw new TypeError("Give either redisUrl or client.");
  const redisUrl = options.client === undefined ? (options.redisUrl ?? env["REDIS_URL"]) : undefined;
  const given = Object.entries({ ...options, redisUrl }).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    const [fits, rule] = Object.hasOwn(rules, name) ? rules[name as keyof typeof rules] : [];
    if (fits === undefined)
      throw new TypeError(`${name} is not an option; there are: ${Object.keys(rules).join(", ")}.`);
    if (!fits(value)) throw new TypeError(`${name} ${rule}.`);
  }
  if (redisUrl === undefined && options.client === undefined)
    throw new TypeError("Name the Redis: new RedisNonceStore(url), { client }, or the variable REDIS_URL.");
  return { ...defaults, ...Object.fromEntries(given) };
}

function isRedisUrl(value: unknown): boolean {
  return (
    typeof value === "string" &&
    URL.canParse(value) &&
    ["redis:", "rediss:"].includes(new URL(value).protocol)
  );
}

function between(lowest: number, highest: number): (value: unknown) => boolean {
  return (value) => Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest;
}
