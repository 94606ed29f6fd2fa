import type { Role } from "@authmesh/core";
import type { AllowListContents, DeviceEntry } from "./allow-list-format.js";
import type { Identity } from "./identity-file.js";
import { quoteForShell } from "./internal/shell-quote.js";

/** How the two meet again, by what the other machine was here. */
const meetings: Readonly<Record<Role, readonly [relation: string, pairing: string]>> = {
  target: ["which this machine calls", "`amesh listen` there, then `amesh invite CODE` here"],
  controller: ["which calls this machine", "`amesh listen` here, then `amesh invite CODE` there"],
};

/** A key that was given up, and what took its place. */
export interface Loss {
  readonly lost: Identity;
  /** Whether the key may sign again one day. */
  readonly mayComeBack: boolean;
  /** The one before the lost one, if it is still there. */
  readonly earlier: Identity | undefined;
  readonly identity: Identity;
  /** What the old list said, whoever wrote it; undefined when there was none to be read. */
  readonly list: Pick<AllowListContents, "devices" | "revoked"> | undefined;
}

/** What has to be done on other machines after a key was lost, in words and commands for people. */
export function replaceLostNote({ lost, mayComeBack, earlier, identity, list }: Loss): string {
  const { deviceId, publicKey, friendlyName } = identity;
  const revoke = `amesh revoke ${lost.deviceId}`;
  const add = `echo ${publicKey} | amesh add --name ${quoteForShell(friendlyName)} --public-key - --yes`;
  const describe = ({ role, ...device }: DeviceEntry): string => {
    const [relation, pairing] = meetings[role];
    const withoutPairing = role === "target" ? `\n  or there: ${add}` : "";
    return `${nameOf(device)}, ${relation}\n  there: ${revoke}\n  pair: ${pairing}${withoutPairing}`;
  };
  const active = list?.devices.filter(({ status }) => status === "active") ?? [];
  const revoked = list?.revoked ?? [];
  return `${[
    `The key of ${lost.deviceId} ${mayComeBack ? "cannot be used" : "is lost"}. This machine is now ${deviceId}, with the public key\n${publicKey}`,
    ...(mayComeBack
      ? [
          "If that key works again before anything here is done, take it back:\n  amesh init --replace-lost --cancel",
        ]
      : []),
    ...(earlier === undefined
      ? []
      : [
          `The key before that one, of ${earlier.deviceId}, is still kept here. Where it is trusted: amesh revoke ${earlier.deviceId}`,
        ]),
    list === undefined
      ? `No allow list could be read. On every machine that knows this one: ${revoke}, then pair again.`
      : active.length + revoked.length === 0
        ? "The old allow list named nobody."
        : "The old allow list named the devices below. Its seal could NOT be checked without the key: whoever could\nwrite into this folder may have changed it. Compare ids before you pair.",
    ...active.map(describe),
    ...(revoked.length === 0
      ? []
      : [
          `Revoked here, so do not pair with them again:\n${revoked.map((one) => `  ${nameOf(one)}`).join("\n")}`,
        ]),
    `A machine that has learnt ${deviceId} by \`amesh add --replaces\` needs only: ${revoke}`,
  ].join("\n\n")}\n`;
}

/** A name is what a device claims, so it is quoted. */
const nameOf = ({ friendlyName, deviceId }: { readonly friendlyName: string; readonly deviceId: string }) =>
  `${JSON.stringify(friendlyName)} (${deviceId})`;
