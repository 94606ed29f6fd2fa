import type { Role } from "@authmesh/core";
import type { AllowListContents, DeviceEntry } from "./allow-list-format.js";
import type { Identity } from "./identity-file.js";
import { quoteForShell } from "./internal/shell-quote.js";

/** How the two meet again, by what the other machine was here. */
const meetings: Readonly<Record<Role, readonly [relation: string, pairing: string]>> = {
  target: ["which this machine calls", "`amesh listen` there, then `amesh invite CODE` here"],
  controller: ["which calls this machine", "`amesh listen` here, then `amesh invite CODE` there"],
};

/**
 * What has to be done on other machines after a key was lost, in words and commands for people.
 *
 * @param list what the old list said, whoever wrote it; undefined when there was none to be read
 */
export function replaceLostNote(
  { deviceId: lost }: Identity,
  { deviceId, publicKey, friendlyName }: Identity,
  list: Pick<AllowListContents, "devices" | "revoked"> | undefined,
): string {
  const revoke = `amesh revoke ${lost}`;
  const add = `echo ${publicKey} | amesh add --name ${quoteForShell(friendlyName)} --public-key - --yes`;
  const describe = ({ role, ...device }: DeviceEntry): string => {
    const [relation, pairing] = meetings[role];
    const withoutPairing = role === "target" ? `\n  or there: ${add}` : "";
    return `${nameOf(device)}, ${relation}\n  there: ${revoke}\n  pair: ${pairing}${withoutPairing}`;
  };
  const active = list?.devices.filter(({ status }) => status === "active") ?? [];
  const revoked = list?.revoked ?? [];
  return `${[
    `The key of ${lost} is lost. This machine is now ${deviceId}, with the public key\n${publicKey}`,
    list === undefined
      ? `No allow list could be read. On every machine that knows this one: ${revoke}, then pair again.`
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
