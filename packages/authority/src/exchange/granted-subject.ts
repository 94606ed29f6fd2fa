import { claimRules } from "@authmesh/oath";

/** Why a subject is not one that an exchange gives: a plain half-sentence; undefined when it is. */
export function subjectProblem(subject: string): string | undefined {
  const { fits, must } = claimRules.sub;
  if (!fits(subject)) return `a subject ${must}`;
  if (subject.startsWith("svc://device/")) return "svc://device/… is for devices";
  return undefined;
}
