import { AmeshError } from "@authmesh/core";
import { backupPassphrase, exportIdentity, generateBackupPassphrase, openIdentity } from "@authmesh/keystore";
import { backupEnvironment } from "../backup-environment.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Writes a backup of this machine's identity: name and id and, encrypted under a passphrase of its own, the key and what seals the allow list. Whoever has backup and passphrase can be this machine, so keep them apart. The allow list is not in it; keep a copy of allow_list.json too, if this machine lets others in.",
      "A key in hardware never leaves it and has no backup. Pair a second machine, with a key of its own, as another controller of the same peers.",
      "The passphrase has at least 15 characters, and one that people try first is refused. On a terminal it is asked for, twice.",
    ],
    arguments: [
      { name: "FILE", about: "a file that is not there yet; - for standard output, if that is no terminal" },
    ],
    options: [
      { flags: "--generate-passphrase", about: "make a passphrase up and show it once, on the terminal" },
    ],
    environment: [...backupEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh identity export prod-api.backup --generate-passphrase", "and write the passphrase down"],
      [
        "AMESH_EXPORT_PASSPHRASE_FILE=/run/secrets/backup amesh identity export - > /mnt/api.backup",
        "in a script, also to a disk that knows no hard links",
      ],
    ],
    exit: [
      ["0", "the backup is written"],
      ["1", "the key never leaves its key store, or the file is there already or cannot be written"],
      ["2", "the passphrase is too easy to guess, or an option cannot be read"],
      ["4", "there is no identity yet, or no passphrase was given"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [file = ""] = call.args;
    const path = file === "-" ? undefined : file;
    refuseWrongTerminal(call, path);
    const open = await openIdentity({ promptSecret: terminal.questions.secret });
    const backup = await exportIdentity(open, { path, passphrase: () => passphraseOf(call) });
    const { deviceId, friendlyName } = open.identity;
    if (path === undefined) await writeOut(backup);
    else
      terminal.answer({ exported: { file, deviceId, friendlyName } }, () =>
        done(`${formatDevice(open.identity)} is backed up in ${file}.`),
      );
    terminal.next("keep the passphrase elsewhere; `amesh identity import FILE` brings this machine back");
    return undefined;
  },
};

/** A backup is not shown on a terminal, and a passphrase nowhere else. */
function refuseWrongTerminal(call: Call, path: string | undefined): void {
  if (path === undefined && process.stdout.isTTY)
    throw new AmeshError("invalid_option", "Standard output is a terminal.", {
      fix: "Name a file, or send the output of - to one.",
    });
  if (path === undefined && call.terminal.json)
    throw new AmeshError("invalid_option", "Standard output cannot hold both the backup and a JSON answer.", {
      fix: "Leave --json out, or name a file.",
    });
  if (call.flag("generate-passphrase") && !process.stderr.isTTY)
    throw new AmeshError("input_required", "There is no terminal to show a passphrase on.", {
      fix: "Give one: set AMESH_EXPORT_PASSPHRASE_FILE or AMESH_EXPORT_PASSPHRASE.",
    });
}

/** Resolves once it is written. A failure ends the program, which says so. */
const writeOut = (text: string): Promise<void> =>
  new Promise((resolve) => process.stdout.write(text, (error) => error ?? resolve()));

async function passphraseOf(call: Call): Promise<string> {
  const { terminal } = call;
  if (!call.flag("generate-passphrase"))
    return backupPassphrase({ promptSecret: terminal.questions.newSecret });
  const passphrase = generateBackupPassphrase();
  terminal.note(`Passphrase of the backup: ${passphrase}`);
  terminal.note("Write it down now: it is shown this once and kept nowhere.");
  return passphrase;
}
