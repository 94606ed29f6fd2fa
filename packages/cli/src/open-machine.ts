import type { TrustStore } from "@authmesh/core";
import { type DeviceList, type OpenIdentity, openIdentity } from "@authmesh/keystore";
import type { Call } from "./call.js";

/** This machine's identity, or that of its authority, and whom it trusts. */
export interface Machine {
  readonly identity: OpenIdentity;
  readonly list: DeviceList & Pick<TrustStore, "audience">;
}

/**
 * Opens the identity of AUTH_MESH_DIR, else ~/.amesh, asking for its passphrase where a person can be asked; of a verb
 * with --authority, the authority's.
 *
 * @throws AmeshError what `openIdentity` and `openAllowList` throw, or `openAuthority`
 */
export async function openMachine(call: Call): Promise<Machine> {
  const authority = call.text("authority");
  if (authority !== undefined) {
    const { openAuthority } = await import("./authority/open-authority.js");
    const { identity, devices } = await openAuthority(call, authority);
    return { identity, list: devices };
  }
  const identity = await openIdentity({ promptSecret: call.terminal.questions.secret });
  return { identity, list: await identity.openAllowList() };
}

/** The command that shows whom the machine of `openMachine` trusts. */
export function listCommand(call: Call): string {
  const authority = call.text("authority");
  return authority === undefined ? "amesh list" : `amesh list --authority ${authority}`;
}
