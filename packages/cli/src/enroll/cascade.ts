import type { EnrollmentInfo } from "@authmesh/sdk/enroll";
import { describeLine } from "./describe.js";

/**
 * Lines of a tree: each enrollment beneath the one that approved it, the named one first. Those beneath one that does not
 * change stand right below the named one.
 */
export function describeCascade([named, ...others]: readonly EnrollmentInfo[]): string {
  const left = new Set(others);
  const lines: string[] = [];
  const open = named === undefined ? [] : [{ enrollment: named, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { enrollment, depth } = next;
    lines.push(`${"   ".repeat(depth)}${depth === 0 ? "" : "└─"}${describeLine(enrollment)}`);
    const below = [...left].filter(({ approvedBy }) => approvedBy === enrollment.id);
    for (const one of below) left.delete(one);
    open.push(...below.reverse().map((one) => ({ enrollment: one, depth: depth + 1 })));
    const [apart] = open.length === 0 ? left : [];
    if (apart === undefined) continue;
    left.delete(apart);
    open.push({ enrollment: apart, depth: 1 });
  }
  return lines.join("\n");
}
