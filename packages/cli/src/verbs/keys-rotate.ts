import { loadAuthorityState } from "../authority/load-authority.js";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lets the next signing key of an authority sign from now on. Running replicas go over to it within a second; the one before stays published until its last token has expired, and a new next key is published at once.",
      "A next key that was published within the last hour is not known everywhere yet. --force uses it all the same: verifiers that do not know it fetch the keys again, at most once in 30 seconds. Tokens that a stolen key signed are refused once its kid is in the revocation list.",
    ],
    options: [
      dirOption,
      { flags: "--algorithm NAME", about: "of the next key after this one: EdDSA (default) or ES256" },
      { flags: "--force", about: "also when the next key was published only a moment ago" },
    ],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh keys rotate --dir /var/lib/amesh", "ahead of the schedule"]],
    exit: [
      ["0", "the next key signs"],
      ["1", "the next key was published only a moment ago"],
      ["2", "an option cannot be read"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const { openKeyRing } = await loadAuthorityState();
    const state = await openAuthority(call);
    const keys = openKeyRing(state, { algorithm: call.text("algorithm") });
    await keys.rotate({ force: call.flag("force") });
    const { kid, alg } = keys.signer.publicJwk;
    await state.close();
    call.terminal.answer({ active: { kid, alg } }, () => done(`${kid} (${alg}) signs from now on.`));
    call.terminal.next("amesh keys list");
    return undefined;
  },
};
