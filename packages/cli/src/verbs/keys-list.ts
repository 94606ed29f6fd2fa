import type { SigningKey } from "@authmesh/authority";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { formatDate } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lists the signing keys of an authority. A key is first next (published, so that verifiers know it), then active (it signs), then retiring (published still, for the tokens that it signed), then gone.",
    ],
    options: [dirOption],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh keys list --dir /var/lib/amesh --json", "for scripts"]],
    exit: [
      ["0", "the keys are shown"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const state = await openAuthority(call);
    const keys = await state.store.readKeys();
    await state.close();
    const documents = keys.map(({ sealed, ...key }) => key);
    call.terminal.answer({ keys: documents }, () =>
      keys.length === 0
        ? "  No keys yet; `amesh authority serve` makes them."
        : keys.map(describe).join("\n"),
    );
    return undefined;
  },
};

const describe = ({ kid, state, since, publicJwk }: SigningKey): string =>
  `  ${kid}  ${publicJwk.alg.padEnd(5)}  ${`[${state}]`.padEnd(10)}  since ${formatDate(since)}`;
