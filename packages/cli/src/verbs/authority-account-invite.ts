import { AmeshError } from "@authmesh/core";
import { mailAddress } from "@authmesh/core/enrollment";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lets whoever reads the mail of an address open one account (`amesh register`), at an authority that is served with --registration invited. Nothing is sent by this.",
    ],
    arguments: [{ name: "ADDRESS", about: "a mail address such as you@example.com" }],
    options: [
      dirOption,
      { flags: "--remove", about: "take the invitation back, and codes that were mailed" },
    ],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh authority account invite you@example.com --dir /var/lib/amesh", "for one account"]],
    exit: [
      ["0", "done"],
      ["2", "that is no mail address"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const email = mailAddress(call.args[0] ?? "");
    if (email === undefined)
      throw new AmeshError("invalid_option", "That is not a mail address such as you@example.com.");
    const isRemoved = call.flag("remove");
    const { registrations, close } = await openAuthority(call);
    if (isRemoved) await registrations.forgetInvited(email);
    else await registrations.invite(email, unixSeconds());
    await close();
    call.terminal.answer({ email, invited: !isRemoved }, () =>
      done(isRemoved ? `${email} may open no account.` : `${email} may open one account.`),
    );
    if (!isRemoved) call.terminal.next(`amesh register @NAME --email ${email} --authority URL, by its owner`);
    return undefined;
  },
};
