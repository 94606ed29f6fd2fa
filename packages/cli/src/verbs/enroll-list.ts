import { AmeshError } from "@authmesh/core";
import { type EnrollmentStatus, listEnrollments } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import { atMost } from "../enroll/at-most.js";
import { describeEnrollments } from "../enroll/describe.js";
import { enrolledExit } from "../enroll/exit.js";
import { readLifetime } from "../enroll/lifetime.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import type { Verb } from "../verb.js";

const statuses: readonly EnrollmentStatus[] = ["pending", "approved", "denied", "revoked", "expired"];
const mostShown = 100_000;

export const verb: Verb = {
  manual: {
    description: [
      "Lists the enrollments of the account, in the order in which they were asked for: id, app and device, status, scopes, and what else matters of each. Needs __manage:r.",
    ],
    options: [
      { flags: "--status NAME", about: `only these: ${statuses.join(", ")}` },
      { flags: "--app NAME", about: "only those of this app" },
      { flags: "--device NAME", about: "only those of this device" },
      { flags: "--unused TIME", about: "only approved ones that were not used for so long: 90d" },
      { flags: "--expiring TIME", about: "only approved ones that end within that time: 14d" },
      { flags: "--limit N", about: "at most so many (default 1000)" },
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh enroll list --status pending", "who waits for an answer"],
      ["amesh enroll list --json | jq -r '.enrollments[] | .id + \" \" + .status'", "for scripts"],
    ],
    exit: [["0", "listed"], ...enrolledExit],
  },

  async run(call) {
    const { terminal } = call;
    const limit = call.number("limit", mostShown) ?? 1000;
    const listing = listEnrollments({
      ...enrollOptions(call),
      status: readStatus(call),
      appName: call.text("app"),
      deviceName: call.text("device"),
      staleSeconds: readLifetime(call, "unused"),
      expiringSeconds: readLifetime(call, "expiring"),
    });
    const { items: enrollments, more } = await terminal.during(
      "Waiting for the authority",
      atMost(limit, listing),
    );
    terminal.answer({ enrollments, more }, () =>
      enrollments.length === 0 ? "There is none." : describeEnrollments(enrollments),
    );
    if (more) terminal.warn(`there are more than these ${limit}; --limit shows them.`);
    const pending = enrollments.find(({ status }) => status === "pending");
    if (pending !== undefined) terminal.next(`amesh enroll approve ${pending.id}`);
    return undefined;
  },
};

function readStatus(call: Call): EnrollmentStatus | undefined {
  const text = call.text("status");
  const status = statuses.find((name) => name === text);
  if (text === undefined || status !== undefined) return status;
  throw new AmeshError("invalid_option", `--status takes ${statuses.join(", ")}.`);
}
