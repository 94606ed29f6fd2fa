import { AmeshError, isoTime } from "@authmesh/core";
import { accountName, mailAddress } from "@authmesh/core/enrollment";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { outOption, readOut } from "../enroll/new-secret-file.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Makes an account, under which machines are enrolled. Prints its secret once, alone on standard output, or writes it to the file of --out: whoever has it becomes the account's first machine, once and within seven days (`amesh onboard`). The authority keeps no copy. A name that nobody came for in that time is free again.",
    ],
    arguments: [{ name: "@NAME", about: "@ and 2 to 32 letters, digits and hyphens" }],
    options: [
      dirOption,
      outOption,
      {
        flags: "--email ADDRESS",
        about: "whose it is, for those who run the authority; nothing is sent there",
      },
    ],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh authority account create @acme --dir /var/lib/amesh --out acme.secret", "to hand on in a file"],
    ],
    exit: [
      ["0", "there is an account now"],
      ["1", "the name is taken"],
      ["2", "that is no name, or no address"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const name = accountName(call.args[0] ?? "");
    const given = call.text("email");
    const email = given === undefined ? undefined : mailAddress(given);
    if (given !== undefined && email === undefined)
      throw new AmeshError("invalid_option", "--email is not a mail address such as you@example.com.");
    const out = readOut(call);
    const state = await openAuthority(call);
    const created = await state.enrollments.createAccount(name, email);
    await state.close();
    if (created === undefined) throw new AmeshError("account_taken", `There is an account ${name} already.`);
    const { account, secret, expiresAt } = created;
    out?.write(`${secret}\n`);
    const told = out ? { file: out.path } : { secret };
    terminal.answer({ account, ...told, expiresAt, email: email ?? null }, () =>
      out ? done(`The secret is in ${out.path}.`) : secret,
    );
    terminal.note(
      done(
        `${account} was made. Its secret is good once, until ${isoTime(expiresAt)}, and is shown nowhere else.`,
      ),
    );
    terminal.next(`amesh onboard ${account} --authority URL, on its first machine, with the secret`);
    return undefined;
  },
};
