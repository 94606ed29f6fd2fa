import {
  cancelMigration,
  finishMigration,
  forgetPrevious,
  identityFolder,
  type PreparedMigration,
  prepareMigration,
  readMigration,
} from "@authmesh/keystore";
import type { Call } from "../call.js";
import { done, fields, formatDevice, identityDocument } from "../layout.js";
import { describeDetection, selectedLabel } from "./detection.js";
import { pkcs11Place } from "./pkcs11-place.js";

/** `amesh init --migrate`: makes the key to move to, or shows again who must know it. */
export async function prepare(call: Call): Promise<void> {
  const { terminal } = call;
  const promptSecret = terminal.questions.secret;
  const prepared = await prepareMigration({
    backend: call.text("backend"),
    pkcs11: pkcs11Place(call),
    promptSecret,
  });
  const { dir, identity, next, findings, warnings } = prepared;
  terminal.answer(
    {
      dir,
      device: identityDocument(identity),
      next: identityDocument(next.identity),
      findings,
      peers: peersOf(prepared),
      warnings,
    },
    () => describe(prepared),
  );
  for (const { message } of warnings) terminal.warn(message);
  terminal.next("amesh init --migrate --finish");
}

/** The machines that this one calls, each with the line to run there. */
const peersOf = ({ identity, next, targets }: PreparedMigration) =>
  targets.map(({ deviceId, friendlyName }) => ({
    deviceId,
    friendlyName,
    command: `echo ${next.publicKey.base64} | amesh add --public-key - --replaces ${identity.deviceId} --yes`,
  }));

function describe(prepared: PreparedMigration): string {
  const { identity, next, findings } = prepared;
  const peers = peersOf(prepared).map((peer) => `  On ${formatDevice(peer)}:\n    ${peer.command}`);
  const told =
    peers.length === 0
      ? "This machine calls no other, so nobody has to know the new key first."
      : `The machines that this one calls must know the new key first:\n\n${peers.join("\n\n")}`;
  return `${describeDetection(findings)}

The new key is made. Nothing uses it yet.

${fields([
  ["Device ID", identity.deviceId],
  ["New Device ID", next.identity.deviceId],
  ["New Public Key", `${next.identity.publicKey.slice(0, 20)}...`],
  ["New Backend", selectedLabel(findings, next.identity.backend)],
])}

${told}

Machines that call this one need nothing, unless they pin its key. The same line there keeps their lists right.`;
}

/** `amesh init --migrate --finish` */
export async function finish(call: Call): Promise<void> {
  const { terminal } = call;
  const { next } = readMigration(identityFolder());
  if (next !== undefined)
    await ask(call, `Do all machines that this one calls know ${next.deviceId}? Use it from now on?`);
  const { dir, identity, previous } = await finishMigration({ promptSecret: terminal.questions.secret });
  terminal.answer(
    { dir, device: identityDocument(identity), previous: identityDocument(previous) },
    () => `${done(`This machine is ${formatDevice(identity)} now.`)}

Servers that run here follow by themselves. Restart programs that call other machines:
until then they use the old key of ${previous.deviceId}, which peers accept for as long as they keep it (7 days).`,
  );
  terminal.next("restart them, then amesh init --migrate --forget-previous");
}

/** `amesh init --migrate --cancel` */
export async function cancel(call: Call): Promise<void> {
  const { current, next, stage } = readMigration(identityFolder());
  if (next !== undefined && stage === "prepared")
    await ask(call, `Delete the new key, that of ${next.deviceId}, which nothing uses yet?`);
  const { deviceId } = await cancelMigration({ promptSecret: call.terminal.questions.secret });
  call.terminal.answer(
    { cancelled: { deviceId } },
    () => `${done(`The key of ${deviceId} is deleted. This machine stays ${formatDevice(current)}.`)}

Where \`amesh add --replaces\` was run already, the old entry ends by itself. On each of those machines:
  amesh revoke ${deviceId}
  amesh revoke ${current.deviceId}, then pair again: \`amesh listen\` there, \`amesh invite CODE\` here`,
  );
}

/** `amesh init --migrate --forget-previous` */
export async function forget(call: Call): Promise<void> {
  const { previous, stage } = readMigration(identityFolder());
  if (previous !== undefined && stage === "finished")
    await ask(
      call,
      `Delete the previous key, that of ${previous.deviceId}? Programs that still use it can sign no longer.`,
    );
  const { identity, deleted } = await forgetPrevious({
    promptSecret: call.terminal.questions.secret,
    force: call.flag("force"),
  });
  const { deviceId } = identity;
  call.terminal.answer({ forgotten: { deviceId }, deleted }, () =>
    done(
      deleted
        ? `The key of ${deviceId} is deleted.`
        : `${deviceId} is forgotten. Its key could not be deleted and is left where it is.`,
    ),
  );
  call.terminal.next("amesh status");
}

async function ask(call: Call, question: string): Promise<void> {
  if (!call.flag("yes"))
    await call.terminal.questions.require(question, "Give --yes to go on without being asked.");
}
