import { isoTime, parseScopes } from "@authmesh/core";
import { mostInvitationUses } from "@authmesh/core/enrollment";
import {
  createInvitation,
  deleteInvitation,
  type InvitationInfo,
  listInvitations,
} from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import { enrolledExit } from "../enroll/exit.js";
import { readLifetime } from "../enroll/lifetime.js";
import { outOption, readOut } from "../enroll/new-secret-file.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatScopes } from "../layout.js";
import { refuseBeside } from "../refuse-beside.js";
import { requiredOption } from "../required-option.js";
import type { Verb } from "../verb.js";

/** What a new invitation is made of. */
const ofNew = ["scope", "uses", "expires", "auto-approve", "out"];

export const verb: Verb = {
  manual: {
    description: [
      "Makes an invitation, by which machines may ask to be enrolled where nobody can type a passcode: it goes to standard output or, with --out, to a file, once. It is a secret, with a ceiling of scopes, a number of uses and an end. Needs __manage:rw and all scopes of the ceiling.",
      "With --auto-approve a request within the ceiling is approved at once, in the name of this machine and only while it may approve: whoever has the invitation is let in. Keep such a one short-lived.",
    ],
    options: [
      { flags: "--scope SCOPES", about: "the most that can be asked for by it: orders:rw,profile:r" },
      { flags: "--uses N", about: "how many requests it is good for (default 1)" },
      { flags: "--expires TIME", about: "how long it is good: 12h, 30d (default 7d)" },
      { flags: "--auto-approve", about: "approve what is asked for by it, without anybody looking" },
      outOption,
      { flags: "--list", about: "show the invitations that are still good" },
      { flags: "--remove ID", about: "make an invitation worthless" },
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      [
        "amesh enroll invite --scope orders:rw --uses 20 --expires 1h --auto-approve",
        "for a fleet that starts now",
      ],
      ["amesh enroll invite --list", "which there are"],
    ],
    exit: [["0", "done"], ["1", "there is no such invitation"], ...enrolledExit],
  },

  async run(call) {
    if (call.has("list")) {
      refuseBeside(call, "enroll invite", "list", [...ofNew, "remove"]);
      await list(call);
    } else if (call.has("remove")) {
      refuseBeside(call, "enroll invite", "remove", ofNew);
      await remove(call);
    } else await create(call);
    return undefined;
  },
};

async function create(call: Call): Promise<void> {
  const { terminal } = call;
  const scopes = parseScopes(requiredOption(call, "enroll invite", "scope"));
  const out = readOut(call);
  const { invitation, ...made } = await createInvitation({
    ...enrollOptions(call),
    scopes,
    uses: call.number("uses", mostInvitationUses),
    lifetimeSeconds: readLifetime(call, "expires"),
    autoApprove: call.flag("auto-approve"),
  });
  out?.write(`${invitation}\n`);
  terminal.answer({ ...made, ...(out ? { file: out.path } : { invitation }) }, () =>
    out ? done(`The invitation is in ${out.path}.`) : invitation,
  );
  terminal.note(`Invitation ${made.id}, shown this once, good until ${isoTime(made.expiresAt)}.`);
  terminal.next(
    "amesh enroll request --passcode-file FILE, on the new machine, with the invitation in the file",
  );
}

async function list(call: Call): Promise<void> {
  const invitations = await listInvitations(enrollOptions(call));
  call.terminal.answer({ invitations }, () =>
    invitations.length === 0 ? "There is none." : invitations.map(describe).join("\n"),
  );
}

const describe = ({ id, scopes, usesLeft, expiresAt, autoApprove, createdBy }: InvitationInfo): string =>
  [
    `  ${id}`,
    formatScopes(scopes),
    `${usesLeft} left`,
    `until ${isoTime(expiresAt)}`,
    `by ${createdBy}`,
    ...(autoApprove ? ["approves by itself"] : []),
  ].join("  ");

async function remove(call: Call): Promise<void> {
  const id = call.text("remove") ?? "";
  await deleteInvitation({ ...enrollOptions(call), id });
  call.terminal.answer({ removed: id }, () => done(`${id} is worthless now.`));
  call.terminal.next("amesh enroll invite --list");
}
