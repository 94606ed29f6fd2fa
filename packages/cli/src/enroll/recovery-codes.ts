import { AmeshError } from "@authmesh/core";
import type { Call } from "../call.js";
import type { OptionManual } from "../manual.js";
import { type NewSecretFile, newSecretFile } from "./new-secret-file.js";

export const recoveryCodesOption: OptionManual = {
  flags: "--recovery-codes-file FILE",
  about: "write the recovery codes to this new file (0600), in place of showing them",
};

/** Where recovery codes go. It is known before anything is done that brings them forth. */
export interface RecoveryCodesKeeper {
  /** Before they are sent. @throws AmeshError `declined` when the person did not write them down, `storage_failed` */
  keep(codes: readonly string[]): Promise<void>;
  /** The authority has refused them: they are good for nothing. */
  discard(): void;
}

/**
 * A new file where the option names one; otherwise a person, who is asked whether they are written down.
 *
 * @throws AmeshError `input_required` where there is neither, `storage_failed` for a file that cannot be made
 */
export function keeperOfRecoveryCodes(call: Call): RecoveryCodesKeeper {
  const { questions } = call.terminal;
  const file = call.text("recovery-codes-file");
  if (file !== undefined) return intoFile(newSecretFile(file));
  if (questions.interactive) return onScreen(call);
  throw new AmeshError("input_required", "There is nobody to show the recovery codes to.", {
    fix: "Give --recovery-codes-file FILE; they are told once.",
  });
}

function intoFile({ write, remove }: NewSecretFile): RecoveryCodesKeeper {
  return { keep: async (codes) => write(codes.map((code) => `${code}\n`).join("")), discard: remove };
}

function onScreen({ terminal }: Call): RecoveryCodesKeeper {
  let areShown = false;
  return {
    async keep(codes) {
      terminal.note(`
Recovery codes. Each brings the account back once, should every machine that manages it be lost.
They are shown this once and kept nowhere:

${codes.map((code) => `  ${code}`).join("\n")}
`);
      if (!(await terminal.questions.agrees("Are they written down, apart from this machine?")))
        throw new AmeshError(
          "declined",
          "Nothing was sent to the authority, and these codes are not in use.",
          {
            fix: "Run the same command again: it makes new ones.",
          },
        );
      areShown = true;
    },
    discard() {
      if (areShown) terminal.note("The authority refused: the recovery codes above are good for nothing.");
    },
  };
}
