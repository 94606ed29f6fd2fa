import type { AuthorityState } from "@authmesh/authority";
import { AmeshError } from "@authmesh/core";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lets another key sign the trust feeds of an authority from now on. Both keys sign a statement of that, which is served for ever: verifiers that pinned the key before follow it.",
      "Running replicas go over to the new key within a second. Where the key before is in other hands, verifiers have to pin the new one by hand: whoever has it can sign such a statement, too.",
    ],
    options: [dirOption],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh authority feed-key rotate --dir /var/lib/amesh", "verifiers follow by themselves"]],
    exit: [
      ["0", "another key signs"],
      ["4", "there is no authority in the folder, or it was never run"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const { feeds, feedKeys, close } = await openAuthority(call);
    try {
      await feedKeys.rotate(await issuerOf(feeds));
    } finally {
      await close();
    }
    const { thumbprint = null } = feedKeys;
    call.terminal.answer({ feedKey: thumbprint }, () =>
      done(`${thumbprint} signs the trust feeds from now on.`),
    );
    call.terminal.next("amesh authority status");
    return undefined;
  },
};

/** As whom the authority was run last. @throws AmeshError `authority_not_found` */
async function issuerOf(feeds: AuthorityState["feeds"]): Promise<string> {
  const issuer = await feeds.issuer();
  if (issuer !== undefined) return issuer;
  throw new AmeshError("authority_not_found", "The authority was never run, and has no URL yet.", {
    fix: "Run `amesh authority serve` once.",
  });
}
