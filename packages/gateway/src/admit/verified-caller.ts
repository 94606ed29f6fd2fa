import type { Allowed } from "@authmesh/core";
import type { TokenAllowed } from "@authmesh/oath";
import { scopesOf } from "@authmesh/sdk/guard";
import type { VerifiedCaller } from "./admission.js";

/** What an upstream is told of a device that was let in. */
export function callerOfDevice({ id, caller }: Allowed): VerifiedCaller {
  return {
    kind: "device",
    subject: caller.id,
    device: caller.id,
    name: caller.name,
    scopes: [...scopesOf(caller.scopes)].sort(),
    decisionId: id,
  };
}

/** A device, as far as it is known here. */
export interface KnownDevice {
  readonly deviceId: string;
  readonly friendlyName: string;
}

/**
 * What an upstream is told of whom a token let in.
 *
 * @param holder the device that proved `cnf`, where it is known here
 */
export function callerOfToken({ id, caller }: TokenAllowed, holder: KnownDevice | undefined): VerifiedCaller {
  const { principal, action, scopes, tokenId } = caller;
  return {
    kind: "token",
    subject: principal.subject,
    ...(holder === undefined ? {} : { device: holder.deviceId, name: holder.friendlyName }),
    action,
    scopes,
    issuer: principal.issuer,
    tokenId,
    decisionId: id,
  };
}
