import { type Random, randomBytes } from "@authmesh/core";
import { type Logger, pino } from "pino";
import { completeLimits, type RelayLimits } from "./limits.js";

export interface RelayOptions {
  /** Address to listen on. Default: `"0.0.0.0"`, every IPv4 address of the machine. */
  readonly host?: string;
  /** TCP port; 0 takes a free one. Default: 3001. */
  readonly port?: number;
  /** How many proxies in front append to X-Forwarded-For. Default: 0, the header is not looked at. */
  readonly trustProxy?: number;
  /** Origins whose web pages may open sockets, such as `"https://console.example.com"`. Default: none. */
  readonly allowOrigins?: readonly string[];
  /** Bounds that differ from `defaultLimits`. */
  readonly limits?: Partial<RelayLimits>;
  /** `"redis://USER:PASSWORD@HOST:6379"`, which instances that act as one relay share; needs `ioredis`. Default: none. */
  readonly redisUrl?: string;
  /** What all keys there begin with, 1 to 64 characters without white space. Default: `"{amesh-relay}:"`. */
  readonly redisPrefix?: string;
  /** Takes no code, key, name or payload, and of addresses the /24 or /48. Default: silent. */
  readonly logger?: Logger;
  /** Milliseconds on a clock that never goes back. Default: `performance.now()`. */
  readonly now?: () => number;
  /** Returns so many fresh random bytes. Default: the system's CSPRNG. */
  readonly random?: Random;
}

/** Fills in the defaults. @throws TypeError for an option that cannot be */
export function completeOptions({
  host = "0.0.0.0",
  port = 3001,
  trustProxy = 0,
  allowOrigins = [],
  limits = {},
  logger = pino({ level: "silent" }),
  now = () => performance.now(),
  random = randomBytes,
  redisUrl,
  redisPrefix = "{amesh-relay}:",
}: RelayOptions) {
  requireInteger("port", port, 65_535);
  requireInteger("trustProxy", trustProxy, 16);
  for (const origin of allowOrigins) requireOrigin(origin);
  if (redisUrl !== undefined) requireRedis(redisUrl);
  if (!/^\S{1,64}$/.test(redisPrefix))
    throw new TypeError("redisPrefix has 1 to 64 characters, none of them white space.");
  const bounds = completeLimits(limits);
  return { host, port, trustProxy, allowOrigins, limits: bounds, logger, now, random, redisUrl, redisPrefix };
}

function requireInteger(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new TypeError(`${name} is an integer from 0 to ${max}.`);
  }
}

function requireRedis(text: string): void {
  const scheme = URL.canParse(text) ? new URL(text).protocol : "";
  if (scheme !== "redis:" && scheme !== "rediss:") {
    throw new TypeError("redisUrl is a URL such as redis://USER:PASSWORD@HOST:6379.");
  }
}

function requireOrigin(text: string): void {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    throw new TypeError(`${JSON.stringify(text)} is not an origin such as https://console.example.com.`);
  }
}
