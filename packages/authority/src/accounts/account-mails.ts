import type { Mail } from "./mailer.js";

/** Whom a mail is about. All of it was read by patterns, so that nothing in it is a line or a header of its own. */
export interface MailSubject {
  readonly account: string;
  /** The mail address. */
  readonly email: string;
  /** The authority's URL. */
  readonly issuer: string;
}

export const activationMail = ({ account, email, issuer }: MailSubject, code: string): Mail => ({
  to: email,
  subject: `Code to open the account ${account}`,
  text: `Somebody, probably you, asked ${issuer} for the account ${account}.

The code to open it, good for 15 minutes and once:

    ${code}

Type it where amesh asks for it. Where it asks no more, run this and type the code there:

    amesh register ${account} --email ${quoted(email)} --authority ${issuer} --code-file -

If you did not ask for it, nothing is to be done.
`,
});

export const takenMail = ({ account, email, issuer }: MailSubject): Mail => ({
  to: email,
  subject: `The account ${account} is taken`,
  text: `Somebody, probably you, asked ${issuer} for the account ${account}. It is there already.

To enroll a machine under it, ask one of its owners for a passcode, and run:

    amesh enroll request --authority ${issuer} --account ${account}

For an account of your own choose another name:

    amesh register @NAME --email ${quoted(email)} --authority ${issuer}

If you did not ask for it, nothing is to be done.
`,
});

/** For a shell: an address may hold what means something there. */
const quoted = (email: string): string =>
  /^[\w.@+-]+$/.test(email) ? email : `'${email.replaceAll("'", `'\\''`)}'`;
