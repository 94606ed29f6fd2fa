import type { AuthorityState } from "@authmesh/authority";
import type { Call } from "../call.js";
import type { OptionManual, Row } from "../manual.js";
import { loadAuthorityState } from "./load-authority.js";

export const dirOption: OptionManual = {
  flags: "--dir DIR",
  about: "folder of the authority (AMESH_AUTHORITY_DIR; default ~/.amesh-authority)",
};

/** For verbs that change a list of devices. */
export const authorityOption: OptionManual = {
  flags: "--authority DIR",
  about: "the devices of the authority in this folder, in place of this machine's",
};

export const authorityEnvironment: readonly Row[] = [
  ["AMESH_AUTHORITY_DIR", "used where --dir is not given"],
  ["DATABASE_URL", "postgres://…: where the authority's state is, if not in its folder"],
  ["DATABASE_URL_FILE", "file with that URL"],
  ["AMESH_AUTHORITY_SECRET_FILE", "file with the secret that replicas seal signing keys with"],
];

/**
 * Opens the state of an authority of this machine; `amesh authority serve` may run meanwhile.
 *
 * @throws AmeshError `authority_not_found`, `database_unavailable`, `key_mismatch`, `package_missing`
 */
export async function openAuthority(call: Call, dir = call.text("dir")): Promise<AuthorityState> {
  const { authorityFolder, openAuthorityState } = await loadAuthorityState();
  return openAuthorityState({
    dir: authorityFolder(dir),
    promptSecret: call.terminal.questions.secret,
  });
}
