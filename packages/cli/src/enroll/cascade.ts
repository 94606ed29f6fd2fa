import type { EnrollmentInfo } from "@authmesh/sdk/enroll";
import { describeLine } from "./describe.js";

/** Lines of a tree: each enrollment beneath the one that approved it, the named one first. */
export function describeCascade(enrollments: readonly EnrollmentInfo[]): string {
  const [root] = enrollments;
  if (root === undefined) return "  nothing";
  const lines: string[] = [];
  const open = [{ enrollment: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { enrollment, depth } = next;
    lines.push(`${"   ".repeat(depth)}${depth === 0 ? "" : "└─"}${describeLine(enrollment)}`);
    const below = enrollments.filter((one) => one !== root && one.approvedBy === enrollment.id);
    open.push(...below.reverse().map((one) => ({ enrollment: one, depth: depth + 1 })));
  }
  return lines.join("\n");
}
