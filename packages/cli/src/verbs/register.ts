import { isoTime } from "@authmesh/core";
import { activate, register } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment, authorityUrlOption, readAuthorityUrl } from "../authority/authority-url.js";
import { accountArgument } from "../enroll/account-argument.js";
import { readSecretInput } from "../enroll/secret-input.js";
import { requiredOption } from "../required-option.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Asks an authority for an account. It sends an activation code by mail, which is asked for here and traded for the account's secret: the secret goes to standard output, once. It lives seven days and makes the first machine that uses it the account's root, by `amesh onboard`.",
      "The authority must have registration open, or have invited the address. It answers the same whether or not the name is free: the mail says it. Without a terminal give the code later, by --code-file: then no mail is asked for.",
    ],
    arguments: [accountArgument],
    options: [
      { flags: "--email ADDRESS", about: "where the activation code is sent" },
      {
        flags: "--code-file FILE|-",
        about: "a file that holds the activation code, or - for standard input",
      },
      authorityUrlOption,
    ],
    environment: [authorityUrlEnvironment],
    examples: [
      [
        "amesh register @acme --email ops@acme.example --authority https://issuer.example.com",
        "asks for the code of the mail",
      ],
      ["amesh register @acme --code-file - < code.txt > secret.txt", "the mail is there already"],
    ],
    exit: [
      ["0", "the secret is printed; without a terminal and --code-file: the mail was asked for"],
      ["1", "a file cannot be read, or too much was asked in too short a time"],
      ["2", "the command line cannot be read"],
      ["3", "the authority opens no accounts, or the code is wrong, used or over"],
      ["5", "the authority cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const [account = ""] = call.args;
    const authority = readAuthorityUrl(call).href.replace(/\/$/, "");
    if (!call.has("code-file")) {
      const email = requiredOption(call, "register", "email");
      await terminal.during("Waiting for the authority", register({ authority, account, email }));
      terminal.note(
        `If ${email} may open an account here, a mail comes: with a code, or that the name is taken.`,
      );
      if (!terminal.questions.interactive) {
        terminal.report({ schema: 1, status: "sent", account }, "");
        terminal.next(`amesh register ${account} --code-file FILE --authority ${authority}`);
        return undefined;
      }
    }
    const code = await readSecretInput(call, { option: "code-file", what: "Activation code" });
    const activated = await activate({ authority, account, code });
    const { secret, expiresAt } = activated;
    terminal.answer({ status: "activated", ...activated }, () => secret);
    terminal.note(`It is shown this once, and good until ${isoTime(expiresAt)}.`);
    terminal.next(`amesh onboard ${activated.account} --authority ${authority}`);
    return undefined;
  },
};
