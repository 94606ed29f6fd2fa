import { type AllowList, type OpenIdentity, openIdentity } from "@authmesh/keystore";
import type { Call } from "./call.js";

/** This machine's identity and whom it trusts. */
export interface Machine {
  readonly identity: OpenIdentity;
  readonly list: AllowList;
}

/**
 * Opens the identity of AUTH_MESH_DIR, else ~/.amesh, asking for its passphrase where a person can be asked.
 *
 * @throws AmeshError what `openIdentity` and `openAllowList` throw
 */
export async function openMachine(call: Call): Promise<Machine> {
  const identity = await openIdentity({ promptSecret: call.terminal.questions.secret });
  return { identity, list: await identity.openAllowList() };
}
