import { examineLostIdentity, type LostIdentity, replaceLostIdentity } from "@authmesh/keystore";
import { readAudience } from "../audience-option.js";
import type { Call } from "../call.js";
import { fields, formatDevice, identityDocument } from "../layout.js";
import { describeDetection, selectedLabel } from "./detection.js";
import { pkcs11Place } from "./pkcs11-place.js";

/** `amesh init --replace-lost`: a new key and an empty list for a machine whose key is gone. */
export async function replaceLost(call: Call): Promise<void> {
  const { terminal } = call;
  const audience = readAudience(call);
  const maxControllers = call.number("max-controllers", 1000);
  const promptSecret = terminal.questions.secret;
  const examined = await examineLostIdentity({ promptSecret });
  if (!call.flag("yes")) {
    if (!terminal.json) terminal.note(describeLoss(examined));
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

function describeLoss({ identity, cause, mayComeBack }: LostIdentity): string {
  const temporary = `That may pass, and then the key is back: ${cause.fix}\n`;
  return `The key of ${formatDevice(identity)} does not sign: ${cause.detail} (${cause.code})
${mayComeBack ? temporary : ""}Without it the allow list cannot be opened. Trusted devices, revocations, audience and the limit of controllers
are lost to this machine; it becomes another device, and every peer has to be told. The old files are kept.`;
}
