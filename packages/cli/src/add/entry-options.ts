import { AmeshError, type PublicKey, parseScopes, readPublicKey, type Scopes } from "@authmesh/core";
import type { DeviceEntry } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";
import { formatDate, formatScopes } from "../layout.js";
import { parseDuration } from "../time.js";

/** What the command line says of an entry, whether its device is new or replaces another. */
export interface EntryOptions {
  readonly publicKey: PublicKey;
  readonly scopes: Scopes | undefined;
  /** Unix seconds. */
  readonly expiresAt: number | undefined;
}

/** @throws AmeshError `invalid_option`, `invalid_scope`, `invalid_public_key`, `storage_failed` */
export async function readEntryOptions(call: Call, now: number): Promise<EntryOptions> {
  const source = required(call, "public-key");
  const scopes = call.list("scope").length === 0 ? undefined : parseScopes(call.list("scope").join(","));
  const lifetime = call.text("expires");
  const expiresAt = lifetime === undefined ? undefined : now + parseDuration(lifetime);
  const publicKey = readPublicKey((await readSource(source, 4096)).toString("utf8"));
  return { publicKey, scopes, expiresAt };
}

/** @throws AmeshError `invalid_option` when it is missing */
export function required(call: Call, option: string): string {
  const value = call.text(option);
  if (value !== undefined) return value;
  throw new AmeshError("invalid_option", `--${option} is missing.`, {
    fix: "`amesh add --help` explains the command.",
  });
}

/** " Scopes: orders:r. Expires 2026-03-30." */
export function describeLimits({ scopes, expiresAt }: DeviceEntry): string {
  const limits = [
    ...(scopes === undefined ? [] : [`Scopes: ${formatScopes(scopes) || "none"}.`]),
    ...(expiresAt === undefined ? [] : [`Expires ${formatDate(expiresAt)}.`]),
  ];
  return limits.map((limit) => ` ${limit}`).join("");
}
