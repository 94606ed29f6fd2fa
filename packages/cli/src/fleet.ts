import { AmeshError } from "@authmesh/core";
import { oneLine } from "@authmesh/core/records";
import type { OpenIdentity } from "@authmesh/keystore";
import type { Call } from "./call.js";
import type { OptionManual, Row } from "./manual.js";

/** For a verb that revokes in a fleet that shares a Redis. */
export const everywhereOptions: readonly OptionManual[] = [
  { flags: "--everywhere", about: "at every server that follows the Redis of AMESH_REDIS_URL, too" },
  { flags: "--undo", about: "with --everywhere: take back what this machine said there" },
  { flags: "--reason TEXT", about: "with --everywhere: why, one line" },
  { flags: "--prefix PREFIX", about: "with --everywhere: what keys in Redis begin with (default ar:)" },
];

export const everywhereEnvironment: readonly Row[] = [
  ["AMESH_REDIS_URL", "--everywhere: redis://… or rediss://…, with user and password if need be"],
  ["REDIS_URL", "--everywhere: used where AMESH_REDIS_URL is not set"],
];

export interface Fleet {
  /** Whether a revocation is to be taken back. */
  readonly undo: boolean;
  /**
   * Says of a device to the fleet that it is revoked, or not any more.
   *
   * @returns the ids of others that say it is
   * @throws AmeshError `revocation_unavailable`, `package_missing`, and what signing throws
   */
  tell(identity: OpenIdentity, device: string): Promise<readonly string[]>;
}

/**
 * The fleet of --everywhere; nothing is connected yet.
 *
 * @returns undefined without that option
 * @throws AmeshError `invalid_option`
 */
export function fleetOf(call: Call): Fleet | undefined {
  const stray = ["undo", "reason", "prefix"].find((option) => call.has(option));
  if (!call.flag("everywhere")) {
    if (stray === undefined) return undefined;
    throw usage(`--${stray} goes with --everywhere alone.`);
  }
  if (call.has("authority")) throw usage("--authority does not go with --everywhere.");
  const reason = call.text("reason");
  if (reason !== undefined && !oneLine.test(reason))
    throw usage("--reason takes one line of 1 to 256 characters.");
  const prefix = call.text("prefix");
  if (prefix !== undefined && !/^[\w.:-]{1,32}$/.test(prefix))
    throw usage("--prefix takes 1 to 32 letters, digits and _ . : -");
  const url = process.env["AMESH_REDIS_URL"] || process.env["REDIS_URL"];
  if (!url || !isRedisUrl(url))
    throw usage("--everywhere needs the variable AMESH_REDIS_URL: redis://HOST:PORT, or rediss://HOST:PORT");
  const undo = call.flag("undo");
  return {
    undo,
    async tell(identity, device) {
      const { announceRevocation, openRedis } = await import("@authmesh/sdk/redis");
      const redis = await openRedis(url, 10);
      try {
        const action = undo ? "unrevoke" : "revoke";
        const options = { action, device, reason, ...(prefix === undefined ? {} : { prefix }) } as const;
        return (await announceRevocation(redis, identity, options)).others;
      } finally {
        await redis.close();
      }
    },
  };
}

/** Without a host the client would take the rest for a socket's path. */
function isRedisUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return /^rediss?:$/.test(protocol) && hostname !== "";
}

export const usage = (detail: string): AmeshError =>
  new AmeshError("invalid_option", detail, { fix: "`amesh revoke --help` explains the command." });
