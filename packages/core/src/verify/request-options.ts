import { normalizeHost, splitHosts } from "../host-binding.js";
import type { RequestSettings } from "./context.js";
import { checkPathPrefix } from "./prefixed-request.js";

/** How requests are read, whoever made them. Everything has a default. */
export interface RequestOptions {
  /**
   * The hosts this server answers to, exactly as callers name them: "api.example.com", "localhost:3000"; a string
   * is one or several with commas between them. Without any, the sealed state's are used; without those, a request
   * is compared with the Host it came with, which catches mistakes and no attacker.
   */
  readonly audience?: string | readonly string[] | undefined;
  /** Let X-Forwarded-Host choose among the audience. Default false. */
  readonly trustProxy?: boolean | undefined;
  /**
   * What a proxy takes off the path before this server sees the request: "/api". The signed target is the prefix
   * followed by the target received. Default nothing.
   */
  readonly pathPrefix?: string | undefined;
  /** How far clocks may differ, in seconds: an integer from 0 to 300. Default 30. */
  readonly clockSkewSeconds?: number | undefined;
  /** Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Default 30. */
  readonly bodyTimeoutSeconds?: number | undefined;
  /** Bodies that may be awaited at a time; more are refused with 503. Default 256. */
  readonly maxPendingBodies?: number | undefined;
  /** Content encodings that the application decodes, such as "gzip". Default none: such bodies are refused. */
  readonly contentEncodings?: readonly string[] | undefined;
  /** Headers that override method or path and are let through all the same. Default none. */
  readonly allowOverrideHeaders?: readonly string[] | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** @throws TypeError for options that make no sense */
export function checkRequestOptions(options: RequestOptions): RequestSettings {
  return {
    audience: checkAudience(options.audience),
    trustProxy: flag("trustProxy", options.trustProxy ?? false),
    pathPrefix: checkPathPrefix(options.pathPrefix ?? ""),
    clockSkewSeconds: integer("clockSkewSeconds", options.clockSkewSeconds ?? 30, 0, 300),
    maxBodyBytes: integer("maxBodyBytes", options.maxBodyBytes ?? 1_048_576, 0, Number.MAX_SAFE_INTEGER),
    bodyTimeoutSeconds: integer("bodyTimeoutSeconds", options.bodyTimeoutSeconds ?? 30, 1, 3600),
    maxPendingBodies: integer("maxPendingBodies", options.maxPendingBodies ?? 256, 1, 1_000_000),
    contentEncodings: names("contentEncodings", options.contentEncodings ?? []),
    allowOverrideHeaders: names("allowOverrideHeaders", options.allowOverrideHeaders ?? []),
    now: clock(options.now ?? Date.now),
    pendingBodies: 0,
  };
}

/**
 * Normalises the hosts of an audience; a string is one or several with commas between them.
 *
 * @param option what it is called where it was given
 * @returns none where nothing was given, which is undefined alone
 * @throws TypeError for what is not a host, and for a string or a list without any: what came out empty by mistake
 *   must not switch the comparison off
 */
export function checkAudience(
  audience: string | readonly string[] | undefined,
  option = "audience",
): readonly string[] {
  if (audience === undefined) return [];
  const hosts = typeof audience === "string" ? splitHosts(audience) : audience;
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw new TypeError(`${option}: there is no host in ${JSON.stringify(audience)}.`);
  return hosts.map((host) => {
    const normal = typeof host === "string" ? normalizeHost(host) : undefined;
    if (normal?.endsWith(":443")) {
      throw new TypeError(`${option}: ${JSON.stringify(host)}: leave out the default port, as clients do.`);
    }
    if (normal === undefined) {
      throw new TypeError(
        `${option}: ${JSON.stringify(host)} is not a host such as "api.example.com" or "localhost:3000".`,
      );
    }
    return normal;
  });
}

function clock(now: () => number): () => number {
  if (typeof now !== "function") throw new TypeError("now must be a function.");
  return now;
}

export function flag(name: string, value: boolean): boolean {
  if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false.`);
  return value;
}

function names(name: string, values: readonly string[]): readonly string[] {
  if (!Array.isArray(values) || values.some((value) => typeof value !== "string")) {
    throw new TypeError(`${name} must be an array of names.`);
  }
  return values.map((value) => value.toLowerCase());
}

export function integer(name: string, value: number, lowest: number, highest: number): number {
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new TypeError(`${name} must be an integer from ${lowest} to ${highest}; it is ${value}.`);
  }
  return value;
}
