import { keyStoreDrivers } from "@authmesh/keystore";
import { loadAuthorityState } from "../authority/load-authority.js";
import { authorityEnvironment, dirOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, fields, identityDocument } from "../layout.js";
import type { Verb } from "../verb.js";

const backends = keyStoreDrivers.map(({ info }) => info.name);

export const verb: Verb = {
  manual: {
    description: [
      "Makes an authority in a folder: its identity and its database, as the first `amesh authority serve` would. What is there already stays as it is.",
    ],
    options: [
      dirOption,
      { flags: "--backend NAME", about: `key store: ${backends.join(", ")} (default: the best one found)` },
    ],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh authority init --dir /var/lib/amesh", "before a service manager starts it"]],
    exit: [
      ["0", "there is an authority now"],
      ["1", "a file or key store cannot be used"],
      ["4", "the package @authmesh/authority is not installed, or a passphrase is missing"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const { authorityFolder, openAuthorityState } = await loadAuthorityState();
    const dir = authorityFolder(call.text("dir"));
    const state = await openAuthorityState({
      dir,
      create: true,
      backend: call.text("backend"),
      promptSecret: terminal.questions.secret,
    });
    const { identity, created, feedKeys } = state;
    const { thumbprint: feedKey = null } = feedKeys;
    terminal.answer(
      { dir, created: created !== undefined, device: identityDocument(identity.identity), feedKey },
      () =>
        `${done(
          created === undefined
            ? `There is an authority in ${dir} already.`
            : `An authority was made in ${dir}.`,
        )}\n${fields([["Feed key", `${feedKey}, for verifiers to pin`]])}`,
    );
    for (const { message } of created?.warnings ?? []) terminal.warn(message);
    await state.close();
    terminal.next(`amesh authority serve --dir ${dir}`);
    return undefined;
  },
};
