import { AmeshError, isoTime, readDeviceRevocation } from "@authmesh/core";
import { readFleetFile } from "@authmesh/keystore";
import type { Finding } from "../finding.js";

/** What `amesh status` says of whom the machine's fleet revoked. */
export interface FleetStanding {
  /** Null where nothing is kept. */
  readonly document: { readonly fleet: { readonly revoked: number; readonly newestAt: number } | null };
  readonly rows: readonly (readonly [label: string, value: string])[];
  readonly findings: readonly Finding[];
}

/** By what services have written down; signatures are theirs to verify. @param dir folder of the identity */
export function fleetStanding(dir: string): FleetStanding {
  try {
    const kept = readFleetFile(dir)
      .map(readDeviceRevocation)
      .filter((read) => typeof read === "object");
    if (kept.length === 0) return { document: { fleet: null }, rows: [], findings: [] };
    // Of each signer on a device the last word is kept: one that revokes is enough.
    const revoked = new Set(kept.flatMap(({ action, device }) => (action === "revoke" ? device : []))).size;
    const newestAt = kept.reduce((newest, { iat }) => Math.max(newest, iat), 0);
    const devices = revoked === 1 ? "1 device" : `${revoked} devices`;
    return {
      document: { fleet: { revoked, newestAt } },
      rows: [["Fleet", `${devices} revoked, the last word at ${isoTime(newestAt)}`]],
      findings: [],
    };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    const { message, fix } = error;
    return { document: { fleet: null }, rows: [], findings: [{ verdict: "WARN", detail: message, fix }] };
  }
}
