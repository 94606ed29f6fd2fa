import { isoTime } from "@authmesh/core";
import { authenticate, showEnrollment } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { parseDuration, unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Answers by its exit status whether this machine's enrollment ends soon, so that a scheduler can act on it. Proves to the authority that this machine holds its key, and asks for its own enrollment, which needs no scope.",
    ],
    options: [{ flags: "--within TIME", about: "how soon is soon (default 14d)" }, rememberedAuthorityOption],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh enroll needs-renewal || notify-send 'renew the enrollment'", "from a timer, daily"],
      ["amesh enroll needs-renewal --within 30d --json | jq '.expiresAt'", "Unix seconds; null: never"],
    ],
    exit: [
      ["0", "it needs none: the enrollment has no end, or one that is far off"],
      ["1", "it ends soon: have it extended (also: something failed, and standard error says what)"],
      ["2", "the command line cannot be read"],
      ["3", "the enrollment was denied or revoked, or this machine is not enrolled there"],
      ["4", "the enrollment has expired or is pending still, or there is no identity"],
      ["5", "the authority cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const within = parseDuration(call.text("within") ?? "14d");
    const options = enrollOptions(call);
    // Who is out of the account is told so here, and nowhere else.
    await terminal.during("Waiting for the authority", authenticate(options));
    const { id, expiresAt } = await showEnrollment(options);
    const needsRenewal = expiresAt !== undefined && expiresAt - unixSeconds() <= within;
    terminal.answer({ needsRenewal, id, expiresAt: expiresAt ?? null }, () =>
      expiresAt === undefined ? "It does not end." : `It ends at ${isoTime(expiresAt)}.`,
    );
    if (!needsRenewal) return 0;
    terminal.next(`on a machine that may approve: amesh enroll extend ${id} --lifetime 90d`);
    return 1;
  },
};
