import { listEnrollments } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import { atMost } from "../enroll/at-most.js";
import { describeEnrollments } from "../enroll/describe.js";
import { enrolledExit } from "../enroll/exit.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { parseDuration } from "../time.js";
import type { Verb } from "../verb.js";

const most = 1000;

export const verb: Verb = {
  manual: {
    description: [
      "Lists approved enrollments that want a look: those that nobody used for long, to be revoked, and those that end soon, to be extended. Needs __manage:r.",
    ],
    options: [
      { flags: "--unused TIME", about: "how long is long (default 90d)" },
      { flags: "--expiring TIME", about: "how soon is soon (default 14d)" },
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh enroll stale", "once a month"],
      ["amesh enroll stale --unused 30d --json | jq -r '.unused[].id'", "for scripts"],
    ],
    exit: [["0", "listed"], ...enrolledExit],
  },

  async run(call) {
    const { terminal } = call;
    const staleSeconds = parseDuration(call.text("unused") ?? "90d");
    const expiringSeconds = parseDuration(call.text("expiring") ?? "14d");
    const options = enrollOptions(call);
    const unused = (await atMost(most, listEnrollments({ ...options, staleSeconds }))).items;
    const expiring = (await atMost(most, listEnrollments({ ...options, expiringSeconds }))).items;
    terminal.answer({ unused, expiring }, () =>
      [["Not used for long", unused] as const, ["Ending soon", expiring] as const]
        .map(([title, found]) => `${title}:\n${found.length === 0 ? "  none" : describeEnrollments(found)}`)
        .join("\n"),
    );
    if (unused[0] !== undefined) terminal.next(`amesh enroll revoke ${unused[0].id}`);
    else if (expiring[0] !== undefined) terminal.next(`amesh enroll extend ${expiring[0].id} --lifetime 90d`);
    return undefined;
  },
};
