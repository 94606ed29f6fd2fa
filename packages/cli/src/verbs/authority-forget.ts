import { AmeshError, quoteForeign } from "@authmesh/core";
import { openIdentity } from "@authmesh/keystore";
import { FeedFiles } from "@authmesh/sdk/feed";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Forgets what this machine keeps of an authority's trust feeds: the feed key that was pinned, and the copies. For an authority that was set up anew, for a pin that was damaged, and for one that nothing follows any more. A service that is given the bare URL believes the key that it is shown next: find out first why the key is another one.",
      "Services that run go on with what they know until they are restarted. The enrollment of this machine stays.",
    ],
    arguments: [{ name: "URL", about: "of the authority, as `amesh status` shows it" }],
    options: [{ flags: "--yes", about: "do not ask" }],
    environment: keyStoreEnvironment,
    examples: [["amesh authority forget https://auth.example.com", "it was set up anew"]],
    exit: [
      ["0", "nothing is kept of the authority any more"],
      ["1", "the answer was no"],
      ["2", "nothing was kept of it, or there is no terminal to ask on"],
      ["4", "there is no identity"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [url = ""] = call.args;
    const files = await FeedFiles.of(await openIdentity({ promptSecret: terminal.questions.secret }));
    if (!files.keeps(url))
      throw new AmeshError("invalid_option", `Nothing is kept of ${quoteForeign(url)}.`, {
        fix: "`amesh status` shows of which authorities something is.",
      });
    const { copies, pins } = files.list();
    const key = pins.find((pin) => pin.url === url)?.key.kid;
    const feeds = copies.filter(({ iss }) => iss === url).map(({ feed }) => feed);
    if (!call.flag("yes"))
      await terminal.questions.require(
        `Forget ${key === undefined ? "what is kept" : `the feed key ${key}`} of ${url}? The key that it shows next is believed.`,
        "Give --yes to forget it without being asked.",
      );
    await files.forget(url);
    terminal.answer({ authority: url, key: key ?? null, feeds }, () =>
      [
        done(
          key === undefined
            ? `Nothing is kept of ${url} any more.`
            : `The feed key ${key} of ${url} is not pinned any more.`,
        ),
        ...(feeds.length === 0 ? [] : [done(`Copies forgotten: ${feeds.join(", ")}.`)]),
      ].join("\n"),
    );
    terminal.next("restart the services that follow it; they pin the key that it shows then");
    return undefined;
  },
};
