import { AmeshError, isoTime, lookUp } from "@authmesh/core";
import { type RememberedEnrollment, rememberedEnrollment } from "@authmesh/sdk/enroll";
import type { Finding } from "../finding.js";
import { unixSeconds } from "../time.js";
import { formatEnrollment } from "./describe.js";

/** What `amesh status` says of the machine's enrollment. */
export interface EnrollmentStanding {
  readonly enrollment?: RememberedEnrollment;
  readonly rows: readonly (readonly [label: string, value: string])[];
  readonly findings: readonly Finding[];
}

/** By what the machine remembers: nobody is asked. @param dir folder of the identity */
export function enrollmentStanding(dir: string): EnrollmentStanding {
  let enrollment: RememberedEnrollment | undefined;
  try {
    enrollment = rememberedEnrollment({ dir });
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { rows: [], findings: [{ verdict: "WARN", detail: error.message, fix: error.fix }] };
  }
  if (enrollment === undefined) return { rows: [], findings: [] };
  const { account, authority, expiresAt } = enrollment;
  const over = enrollment.status === "approved" && expiresAt !== undefined && expiresAt <= unixSeconds();
  const status = over ? "expired" : enrollment.status;
  const end = expiresAt === undefined ? "without end" : `until ${isoTime(expiresAt)}`;
  const told = status === "approved" ? `approved, ${end}` : status;
  const state = enrollment.refused ? `not known there any more; ${told} before` : told;
  return {
    enrollment: { ...enrollment, status },
    rows: [
      ["Account", `${account} at ${authority}`],
      ["Enrollment", `${formatEnrollment(enrollment)}: ${state}`],
    ],
    findings: findingsOf({ ...enrollment, status }),
  };
}

function findingsOf(enrollment: RememberedEnrollment): readonly Finding[] {
  const { status, refused } = enrollment;
  if (refused) return [{ verdict: "WARN", ...notKnown }];
  return status === "approved" ? endingSoon(enrollment) : [{ verdict: "WARN", ...whatToDo(status) }];
}

const notKnown = {
  detail:
    "When it was last asked, the authority did not know this machine's enrollment: it was deleted, or the URL is another one's.",
  fix: "`amesh login` asks again, `amesh enroll request` for another one. A key that was revoked is never taken again: use another folder (AUTH_MESH_DIR).",
};

const soonSeconds = 14 * 86_400;

const endingSoon = ({ id, expiresAt }: RememberedEnrollment): readonly Finding[] =>
  expiresAt === undefined || expiresAt - unixSeconds() > soonSeconds
    ? []
    : [
        {
          verdict: "WARN",
          detail: `This machine's enrollment ends at ${isoTime(expiresAt)}.`,
          fix: `On a machine that may approve: amesh enroll extend ${id} --lifetime 90d`,
        },
      ];

function whatToDo(status: Exclude<RememberedEnrollment["status"], "approved">): {
  readonly detail: string;
  readonly fix: string;
} {
  const { summary, fix } = lookUp(`enrollment_${status}`) ?? { summary: "", fix: "" };
  const resume = "`amesh enroll request --resume` goes on waiting.";
  return { detail: summary, fix: status === "pending" ? `${fix} ${resume}` : fix };
}
