import { AmeshError } from "@authmesh/core";
import {
  examineLostIdentity,
  identityFolder,
  type LostIdentity,
  readMigration,
  replaceLostIdentity,
  takeBackIdentity,
} from "@authmesh/keystore";
import { readAudience } from "../audience-option.js";
import type { Call } from "../call.js";
import { done, fields, formatDevice, identityDocument } from "../layout.js";
import { readMaxControllers } from "../max-controllers-option.js";
import { describeDetection, selectedLabel } from "./detection.js";
import { pkcs11Place } from "./pkcs11-place.js";

/** `amesh init --replace-lost`: a new key and an empty list for a machine whose key is gone. */
export async function replaceLost(call: Call): Promise<void> {
  const { terminal } = call;
  const audience = readAudience(call);
  const maxControllers = readMaxControllers(call);
  const promptSecret = terminal.questions.secret;
  const examined = await examineLostIdentity({ promptSecret });
  if (!terminal.json) terminal.note(describeLoss(examined));
  if (call.flag("yes")) assertGone(examined, call.flag("force"));
  else {
    const question = `Give this machine a new key and an empty allow list?`;
    await terminal.questions.require(question, "Give --yes to replace it without being asked.");
  }
  const replaced = await replaceLostIdentity(examined, {
    backend: call.text("backend"),
    pkcs11: pkcs11Place(call),
    friendlyName: call.text("name"),
    maxControllers,
    ...(audience.length > 0 && { audience }),
    promptSecret,
  });
  const { dir, identity, lost, findings, warnings, note, notePath, oldList } = replaced;
  const { cause, mayComeBack } = examined;
  terminal.answer(
    {
      dir,
      device: identityDocument(identity),
      lost: { ...identityDocument(lost), cause: cause.code, mayComeBack },
      findings,
      audience,
      note,
      notePath,
      oldList: oldList ?? null,
      warnings,
    },
    () => `${describeDetection(findings)}

Identity replaced.

${fields([
  ["Device ID", identity.deviceId],
  ["Backend", selectedLabel(findings, identity.backend)],
  ["Friendly Name", identity.friendlyName],
  ["Instead of", lost.deviceId],
])}

${note}
This is kept in ${notePath}. Restart what runs here.`,
  );
  for (const { message } of warnings) terminal.warn(message);
  terminal.next("amesh status");
}

/** A script that runs while a variable is not set, or a device unplugged, must not give a good identity up. */
function assertGone({ identity, cause, mayComeBack }: LostIdentity, force: boolean): void {
  if (!mayComeBack || force) return;
  throw new AmeshError(cause.code, `The key of ${identity.deviceId} may come back: ${cause.detail}`, {
    fix: `${cause.fix} If it is gone for good, give --force as well.`,
  });
}

/** `amesh init --replace-lost --cancel` */
export async function takeBack(call: Call): Promise<void> {
  const { terminal } = call;
  const { current, previous, stage } = readMigration(identityFolder());
  if (previous !== undefined && stage === "finished" && !call.flag("yes"))
    await terminal.questions.require(
      `Be ${previous.deviceId} again, with its allow list, and delete the key of ${current.deviceId}?`,
      "Give --yes to go on without being asked.",
    );
  const taken = await takeBackIdentity({ promptSecret: terminal.questions.secret });
  const { dir, identity, givenUp, deleted } = taken;
  terminal.answer(
    { dir, device: identityDocument(identity), givenUp: identityDocument(givenUp), deleted },
    () => `${done(`This machine is ${formatDevice(identity)} again, with the allow list it had.`)}

Where ${givenUp.deviceId} was paired meanwhile: amesh revoke ${givenUp.deviceId}. Restart what runs here.`,
  );
  terminal.next("amesh status");
}

function describeLoss({ identity, cause, mayComeBack }: LostIdentity): string {
  const temporary = `That may pass, and then the key is back: ${cause.fix}\n`;
  return `The key of ${formatDevice(identity)} does not sign: ${cause.detail} (${cause.code})
${mayComeBack ? temporary : ""}Without it the allow list cannot be opened. Trusted devices, revocations, audience and the limit of controllers
are lost to this machine; it becomes another device, and every peer has to be told. The old files are kept.`;
}
