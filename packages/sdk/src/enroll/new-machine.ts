import { AmeshError } from "@authmesh/core";
import { accountName, enrollmentLabel } from "@authmesh/core/enrollment";
import { type CreatedIdentity, createIdentity, openIdentity } from "@authmesh/keystore";
import { AuthorityClient } from "./authority-client.js";
import type { EnrolledMachine } from "./enrolled-machine.js";
import type { NewMachineOptions } from "./options.js";

/** A machine that is about to have an enrollment of this name. */
export interface NewMachine extends EnrolledMachine {
  readonly account: string;
  readonly appName: string;
  readonly deviceName: string;
  readonly created: CreatedIdentity | undefined;
}

/**
 * Opens this machine's identity, or makes it: its key is durable before an authority learns of it.
 *
 * @throws AmeshError `invalid_enrollment_name`, `invalid_option`, and what `createIdentity` or `openIdentity` throws
 */
export async function openNewMachine(options: NewMachineOptions): Promise<NewMachine> {
  const account = accountName(options.account);
  const appName = enrollmentLabel("app", options.appName);
  const deviceName = enrollmentLabel("device", options.deviceName);
  const authority = new AuthorityClient(options.authority, options);
  const opened = await openIdentity(options).catch(unlessNone);
  const created =
    opened === undefined ? await createIdentity({ ...options, friendlyName: deviceName }) : undefined;
  const open = opened ?? (await openIdentity(options));
  return { open, authority, signal: options.signal, account, appName, deviceName, created };
}

function unlessNone(error: unknown): undefined {
  if (!(error instanceof AmeshError && error.code === "identity_not_found")) throw error;
}
