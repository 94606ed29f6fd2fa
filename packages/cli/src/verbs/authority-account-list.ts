import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { formatDate } from "../layout.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Lists the accounts of an authority. An account waits for its first machine until that has come with the secret; then it is in use.",
    ],
    options: [dirOption],
    environment: [...authorityEnvironment, ...keyStoreEnvironment],
    examples: [["amesh authority account list --dir /var/lib/amesh --json", "for scripts"]],
    exit: [
      ["0", "the accounts are shown"],
      ["4", "there is no authority in the folder"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run(call) {
    const state = await openAuthority(call);
    const accounts = await state.enrollments.accounts();
    await state.close();
    const now = unixSeconds();
    const told = accounts.map(
      ({ name, createdAt, email = null, secretKey, onboardedBy, secretExpiresAt = 0 }) => {
        const isWaiting = secretKey !== undefined && onboardedBy === undefined;
        const status = !isWaiting ? "in use" : secretExpiresAt > now ? "waiting" : "forsaken";
        return { name, status, createdAt, email };
      },
    );
    call.terminal.answer({ accounts: told }, () =>
      told.length === 0 ? "  No accounts yet." : told.map(describe).join("\n"),
    );
    if (told.length === 0) call.terminal.next("amesh authority account create @NAME");
    return undefined;
  },
};

interface Told {
  readonly name: string;
  readonly status: string;
  readonly createdAt: number;
  readonly email: string | null;
}

const describe = ({ name, status, createdAt, email }: Told): string =>
  `  ${name.padEnd(33)}  ${`[${status}]`.padEnd(10)}  since ${formatDate(createdAt)}${email === null ? "" : `  ${email}`}`;
