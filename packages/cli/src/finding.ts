import type { Terminal } from "./terminal/terminal.js";

/** What a look at the machine found. */
export interface Finding {
  readonly verdict: Verdict;
  readonly detail: string;
  /** More lines that belong to it. */
  readonly rows?: readonly string[];
  /** The command that mends it, or what else does. */
  readonly fix?: string;
}

/** One of several, told apart by what was looked at. */
export interface NamedFinding extends Finding {
  readonly check: string;
}

export type Verdict = "OK" | "WARN" | "FAIL" | "SKIP";

const colours = { OK: "green", WARN: "yellow", FAIL: "red", SKIP: "bold" } as const;

/** "WARN  Audience   No audience is set." and below it what mends it. */
export function formatFinding(
  { paint }: Terminal,
  { verdict, detail, rows = [], fix }: Finding,
  title = "",
): string {
  const line = `${paint(colours[verdict], verdict)}${" ".repeat(6 - verdict.length)}${title}${detail}`;
  return [line, ...rows, ...(fix === undefined ? [] : [fix])].join(`\n${" ".repeat(6 + title.length)}`);
}

/** Whether nothing is broken; warnings do not count. */
export const isHealthy = (findings: readonly Finding[]): boolean =>
  findings.every(({ verdict }) => verdict !== "FAIL");
