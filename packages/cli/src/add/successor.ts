import { AmeshError } from "@authmesh/core";
import { replaceDevice } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { done, formatDate, formatDevice } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { parseDuration, unixSeconds } from "../time.js";
import { describeLimits, readEntryOptions, required } from "./entry-options.js";

/** What a device takes over from the one it replaces, and so cannot be told. */
const takenOver = ["role", "replace", "max-controllers"];

/** `amesh add --replaces`: the new key of a device that is here. */
export async function addSuccessor(call: Call): Promise<void> {
  const { terminal } = call;
  const unfit = takenOver.find((option) => call.has(option));
  if (unfit !== undefined)
    throw new AmeshError(
      "invalid_option",
      `--${unfit} does not go with --replaces: roles and places are taken over.`,
    );
  const replaces = required(call, "replaces");
  const now = unixSeconds();
  const keepUntil = now + parseDuration(call.text("keep") ?? "7d");
  const wanted = await readEntryOptions(call, now);
  const { list } = await openMachine(call);
  if (!call.flag("yes")) {
    const question = `Let ${wanted.publicKey.deviceId} take the place of ${replaces}, which ends by itself on ${formatDate(keepUntil)}?`;
    await terminal.questions.require(question, "Give --yes to replace it without being asked.");
  }
  const friendlyName = call.text("name");
  const added = await list.update((draft) =>
    replaceDevice(draft, { ...wanted, replaces, friendlyName, keepUntil, now }),
  );
  const ends = list.state.devices.find(({ deviceId }) => deviceId === replaces)?.expiresAt ?? keepUntil;
  terminal.answer({ added, replaced: { deviceId: replaces, expiresAt: ends } }, () => {
    const roles = added.map(({ role }) => role).join(" and ");
    return done(
      `${formatDevice(added[0])} added as ${roles}, in the place of ${replaces}, which ends ${formatDate(ends)}.${describeLimits(added[0])}`,
    );
  });
}
