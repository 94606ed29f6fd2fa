import { resolve } from "node:path";
import { AmeshError } from "@authmesh/core";
import { secretFrom } from "@authmesh/keystore";
import type { RedisConfig } from "./gateway-config.js";
import type { Report, Surroundings } from "./settings-of.js";

/** The URL may hold a password. */
const ofEnvironment = {
  variable: "AMESH_REDIS_URL",
  fileVariable: "AMESH_REDIS_URL_FILE",
  missing: "invalid_option",
} as const;
const ofFile = { variable: "url", fileVariable: "urlFile", missing: "invalid_option" } as const;

/** Where Redis is: as configured, else as the environment says; undefined for nowhere. */
export function redisUrlOf(
  redis: RedisConfig | undefined,
  { folder, env }: Surroundings,
  report: Report,
): string | undefined {
  if (redis?.url !== undefined && redis.urlFile !== undefined)
    report(["redis", "urlFile"], "stands beside url; one of them is enough.");
  if (redis?.url !== undefined) return redis.url;
  const at = redis === undefined ? ["redis"] : ["redis", "urlFile"];
  try {
    const url =
      redis?.urlFile === undefined
        ? secretFrom(ofEnvironment, env)
        : secretFrom(ofFile, { urlFile: resolve(folder, redis.urlFile) });
    if (url !== undefined && !isRedisUrl(url))
      // Without the URL, which may hold a password.
      report(at, "is no URL of Redis: redis://USER:PASSWORD@HOST:6379 or rediss://…");
    return url;
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    report(at, `cannot be used: ${error.message}`);
    return undefined;
  }
}

const isRedisUrl = (text: string): boolean => /^rediss?:\/\//.test(text) && URL.canParse(text);
