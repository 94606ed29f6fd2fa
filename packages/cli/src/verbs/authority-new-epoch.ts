import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Begins a new epoch of every trust feed of an authority: verifiers take the whole state anew. A replica does so by itself when it finds its database behind what it served, as its file feed-head.json remembers. After a backup was restored on a new machine no such file is there: run this before you serve.",
    ],
    options: [dirOption],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh authority new-epoch --dir /var/lib/amesh", "the database is back from a backup"]],
    exit: [
      ["0", "each feed is in a new epoch"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const { feeds, close } = await openAuthority(call);
    // Epochs that begin at a time are above those of any backup.
    const time = Math.floor(Date.now() / 1000);
    const begun: string[] = [];
    for (const [feed, { epoch }] of await feeds.states())
      if (await feeds.beginEpoch(feed, Math.max(epoch, time), "a person asked for it")) begun.push(feed);
    await close();
    call.terminal.answer({ feeds: begun }, () =>
      done(`A new epoch began: ${begun.join(", ") || "of no feed"}.`),
    );
    call.terminal.next("amesh authority serve");
    return undefined;
  },
};
