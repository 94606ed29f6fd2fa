import type { Logger } from "../logger.js";
import type { RedisClient } from "./redis-client.js";

/** What everything that is kept in Redis is told. */
export interface RedisOptions {
  readonly redisUrl?: string;
  readonly client?: RedisClient;
  readonly prefix?: string;
  readonly logger?: Logger;
}

type Rule = readonly [fits: (value: unknown) => boolean, said: string];

/** What each option must be, and how that is said. A misspelt option would leave something open. */
export type OptionRules<Options> = { readonly [Name in keyof Required<Options>]: Rule };

export const redisRules: OptionRules<RedisOptions> = {
  redisUrl: [isRedisUrl, "must be a URL that begins with redis:// or rediss://"],
  client: [(value) => typeof value === "object", "must be a client of ioredis or redis"],
  prefix: [
    (value) => typeof value === "string" && /^[\w.:-]{1,32}$/.test(value),
    "must be 1 to 32 letters, digits and _ . : -",
  ],
  logger: [(value) => typeof value === "object", "must be a logger"],
};

export const integer = (lowest: number, highest: number): Rule => [
  (value) => Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest,
  `must be an integer from ${lowest} to ${highest}`,
];

/**
 * The options that are given, with REDIS_URL where they name no Redis.
 *
 * @param of the class, for the error
 * @throws TypeError for options that make no sense. No value is shown: a URL may hold a password
 */
export function checkRedisOptions<Options extends RedisOptions>(
  of: string,
  options: Options,
  rules: OptionRules<Options>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Options {
  if (options.client !== undefined && options.redisUrl !== undefined)
    throw new TypeError("Give either redisUrl or client.");
  const redisUrl = options.client === undefined ? (options.redisUrl ?? env["REDIS_URL"]) : undefined;
  const given = Object.entries({ ...options, redisUrl }).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    const [fits, rule] = Object.hasOwn(rules, name) ? rules[name as keyof Options] : [];
    if (fits === undefined)
      throw new TypeError(`${name} is not an option; there are: ${Object.keys(rules).join(", ")}.`);
    if (!fits(value)) throw new TypeError(`${name} ${rule}.`);
  }
  if (redisUrl === undefined && options.client === undefined)
    throw new TypeError(`Name the Redis: new ${of}(url), { client }, or the variable REDIS_URL.`);
  return Object.fromEntries(given) as Options;
}

function isRedisUrl(value: unknown): boolean {
  return (
    typeof value === "string" &&
    URL.canParse(value) &&
    ["redis:", "rediss:"].includes(new URL(value).protocol)
  );
}
