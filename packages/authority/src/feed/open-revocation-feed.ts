import { AmeshError } from "@authmesh/core";
import { type Environment, secretFrom } from "@authmesh/keystore";
import { openRedis } from "@authmesh/sdk/redis";
import { RevocationFeed, type RevocationFeedOptions } from "./revocation-feed.js";

/** The URL may hold a password. */
const source = {
  variable: "AMESH_AUTHORITY_REDIS_URL",
  fileVariable: "AMESH_AUTHORITY_REDIS_URL_FILE",
  missing: "invalid_option",
} as const;

/** Commands that may wait in the client: a batch of the writer's, and as much again. */
const mostCommands = 2000;

/**
 * A feed of the Redis that the environment names; undefined where it names none.
 *
 * @throws AmeshError `invalid_option`, `package_missing`
 */
export async function openRevocationFeed(
  options: Omit<RevocationFeedOptions, "commands">,
  env: Environment = process.env,
): Promise<RevocationFeed | undefined> {
  const url = secretFrom(source, env);
  if (url === undefined) return undefined;
  const scheme = URL.canParse(url) ? new URL(url).protocol : "";
  if (scheme !== "redis:" && scheme !== "rediss:")
    throw new AmeshError("invalid_option", `${source.variable} is not a URL of Redis.`, {
      fix: "Write redis://USER:PASSWORD@HOST:6379 or rediss://…, or unset it.",
    });
  return new RevocationFeed({ ...options, commands: await openRedis(url, mostCommands) });
}
