import { identityFolder, passphraseWarning } from "@authmesh/keystore";
import type { Finding } from "./finding.js";

/** What to tell of an encrypted file whose passphrase `amesh init` made up and keeps beside it. */
export function passphraseFinding(backend: string): Finding | undefined {
  if (backend !== "encrypted-file") return undefined;
  const [warning] = passphraseWarning({ dir: identityFolder(), env: process.env });
  if (warning === undefined) return undefined;
  return {
    verdict: "WARN",
    detail: `The generated passphrase of the key is kept beside it, in ${warning.path}: that does not protect against whoever can read the folder, or a backup of all of it.`,
    fix: "Move that file elsewhere and name it in AMESH_PASSPHRASE_FILE, or go over to hardware: amesh init --migrate",
  };
}
