import { hostname } from "node:os";
import type { CreatedIdentity } from "@authmesh/keystore";
import type { NewMachineOptions } from "@authmesh/sdk/enroll";
import { readAuthorityUrl } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";
import type { Terminal } from "../terminal/terminal.js";

/** For verbs that make an identity where there is none. */
export const newMachineOptions: readonly OptionManual[] = [
  {
    flags: "--device NAME",
    about:
      "what this machine is called in the account (default its host name; of `amesh recover` with the date)",
  },
  { flags: "--backend NAME", about: "where a new key is to be kept (default: as `amesh init` chooses)" },
];

/** For verbs that tell the authority of a key. */
export const attestOptions: readonly OptionManual[] = [
  {
    flags: "--attest",
    about: "have the TPM prove that it holds the key, or fail (default: where it can)",
  },
  { flags: "--no-attest", about: "do not: a proof tells the authority which machine this is" },
];

export const readAttest = (call: Call): boolean | undefined =>
  call.has("attest") ? call.flag("attest") : undefined;

type Names = Pick<NewMachineOptions, "account" | "appName"> & {
  /** Where --device names none. Default: the host's name. */
  readonly deviceName?: string;
};

/** @throws AmeshError `invalid_option` */
export const readNewMachine = (
  call: Call,
  { account, appName, deviceName = hostname() }: Names,
): NewMachineOptions => ({
  authority: readAuthorityUrl(call).href,
  account,
  appName,
  deviceName: call.text("device") ?? deviceName,
  backend: call.text("backend"),
  promptSecret: call.terminal.questions.secret,
});

/** Tells of an identity that was made on the way. */
export function tellCreated(terminal: Terminal, created: CreatedIdentity | undefined): void {
  if (created === undefined) return;
  terminal.note(`Identity created: ${created.identity.deviceId} in ${created.dir}.`);
  for (const { message } of created.warnings) terminal.warn(message);
}
