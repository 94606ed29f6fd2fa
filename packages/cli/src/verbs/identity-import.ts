import { AmeshError } from "@authmesh/core";
import { backupPassphrase, type ImportedIdentity, importIdentity, keyStoreDriver } from "@authmesh/keystore";
import { backupEnvironment } from "../backup-environment.js";
import { readSource } from "../input-source.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, fields, formatDate, formatDevice, identityDocument } from "../layout.js";
import type { Verb } from "../verb.js";

/** More than any backup has. */
const maxBytes = 65_536;

export const verb: Verb = {
  manual: {
    description: [
      "Brings an identity back from what `amesh identity export` wrote, on a machine that has none: same name, same device id, same key. Whoever trusted the device goes on trusting it. Overwrites nothing; interrupted, it goes on when it is run again.",
      "An allow_list.json that is in the folder already is kept. How old it is nobody can tell, so nobody is let in until `amesh repair --accept`. Otherwise the allow list is empty.",
      "From then on the machine that the backup came from must not use the identity any more: nobody can tell the two apart. The key file gets a passphrase as `amesh init` gives it one.",
      "An enrollment is not in a backup: the authority takes a restored key for a clone, and locks it at the first `amesh login`. Name the authority there, by --authority URL: it is remembered. Once a root of the account has made sure that the old machine is gone, `amesh enroll unrevoke ID` there lets this one go on.",
    ],
    arguments: [{ name: "FILE", about: "the backup; - for standard input" }],
    options: [{ flags: "--backend NAME", about: "key store that takes the key in (default encrypted-file)" }],
    environment: [...backupEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh identity import prod-api.backup", "on the new machine, after a question for the passphrase"],
      [
        "AUTH_MESH_DIR=/srv/amesh amesh identity import - < prod-api.backup",
        "into another folder, the passphrase in the environment",
      ],
    ],
    exit: [
      ["0", "the identity is back"],
      ["1", "there is one already, the passphrase is wrong, or the backup or a file cannot be used"],
      ["2", "an option cannot be read, or there is no such key store"],
      ["4", "no passphrase was given"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [file = ""] = call.args;
    if (file === "-" && process.stdin.isTTY)
      throw new AmeshError("invalid_option", "Standard input is a terminal.", { fix: "Name the backup." });
    const imported = await importIdentity({
      backup: await readSource(file, maxBytes),
      passphrase: () => backupPassphrase({ promptSecret: terminal.questions.secret }),
      backend: call.text("backend"),
    });
    const { dir, identity, exportedAt, listProblem, warnings } = imported;
    terminal.answer(
      { dir, device: identityDocument(identity), exportedAt, listProblem: listProblem ?? null, warnings },
      () => describe(imported),
    );
    for (const { message } of warnings) terminal.warn(message);
    if (listProblem === undefined) terminal.warn(settingsLost);
    if (listProblem !== undefined)
      terminal.warn(
        `The allow list in ${dir} is kept, and nobody in it is let in yet: ${listProblem.detail}`,
      );
    terminal.warn(
      "The machine that the backup came from must not use this identity any more: two machines with one key cannot be told apart.",
    );
    terminal.warn(takenForClone);
    terminal.next(listProblem?.fix ?? "amesh status");
    return undefined;
  },
};

/** docs/protocol.md, section 11.16. Whether it was enrolled is not in a backup. */
const takenForClone =
  "If this identity was enrolled at an authority, that will take it for a clone and lock it at its first `amesh login --authority URL`, until a root has looked: `amesh enroll unrevoke ID`, on a root of the account.";

const settingsLost =
  "A backup holds neither the audience nor the limit of controllers: no audience is set now, and one controller is accepted. `amesh listen --audience HOST --max-controllers N` sets both as it pairs (AMESH_AUDIENCE sets the first without).";

function describe({ dir, identity, exportedAt, listProblem }: ImportedIdentity): string {
  const rows = fields([
    ["Folder", dir],
    ["Backend", keyStoreDriver(identity.backend).info.label],
    ["Exported", formatDate(exportedAt)],
    ["Allow list", listProblem === undefined ? "in order" : `kept, refused (${listProblem.code})`],
  ]);
  return `${done(`${formatDevice(identity)} is back.`)}\n\n${rows}`;
}
