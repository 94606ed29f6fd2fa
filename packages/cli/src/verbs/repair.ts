import { AmeshError } from "@authmesh/core";
import { acceptAllowList, openIdentity, startNewAllowList } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import { readMaxControllers } from "../max-controllers-option.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Mends an allow list that is refused. Nobody is let in until it is mended, so find out first what happened to it: `amesh doctor` says what is wrong.",
      "--accept takes a list that is older than the last one seen, as after a restored backup: its seal must fit. Devices revoked since that backup may be in it again; look at `amesh list` afterwards.",
      "--new-list begins with an empty list and keeps the old file beside it. Every device has to be paired again, and past revocations are forgotten.",
    ],
    options: [
      { flags: "--accept", about: "accept the list as it is, though it is older than the last one seen" },
      { flags: "--new-list", about: "begin an empty list" },
      { flags: "--max-controllers N", about: "how many controllers a new list accepts (default 1)" },
      { flags: "--yes", about: "do not ask" },
    ],
    environment: keyStoreEnvironment,
    examples: [
      ["amesh repair --accept", "after a backup was restored on purpose"],
      ["amesh repair --new-list --yes", "after the file was lost, in a script"],
    ],
    exit: [
      ["0", "mended"],
      ["1", "the list cannot be mended that way, or the answer was no"],
      ["2", "neither or both ways were named, or there is no terminal to ask on"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const ways = Object.keys(repairs).filter((name) => call.flag(name));
    const repair = repairs[ways[0] ?? ""];
    if (repair === undefined || ways.length > 1)
      throw new AmeshError("invalid_option", "Name one way to repair.", {
        fix: "Give --accept or --new-list.",
      });
    await repair(call);
    call.terminal.next("amesh list");
    return undefined;
  },
};

const repairs: Readonly<Record<string, (call: Call) => Promise<void>>> = {
  async accept(call) {
    const owner = await open(call);
    await ask(call, "Accept the allow list as it is? Devices revoked since may be in it again.");
    const generation = await acceptAllowList(owner);
    call.terminal.answer({ accepted: { generation } }, () => done("The allow list is accepted."));
  },

  async "new-list"(call) {
    const maxControllers = readMaxControllers(call);
    const owner = await open(call);
    await ask(call, "Begin an empty allow list? Every device has to be paired again.");
    const setAside = await startNewAllowList(owner, { maxControllers });
    const kept = setAside === undefined ? "" : ` The old one is kept as ${setAside}.`;
    call.terminal.answer({ started: setAside === undefined ? {} : { setAside } }, () =>
      done(`A new, empty allow list is in place.${kept}`),
    );
  },
};

const open = ({ terminal }: Call) => openIdentity({ promptSecret: terminal.questions.secret });

async function ask(call: Call, question: string): Promise<void> {
  if (!call.flag("yes"))
    await call.terminal.questions.require(question, "Give --yes to repair without being asked.");
}
