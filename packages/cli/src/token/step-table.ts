import type { Failure } from "@authmesh/core";
import { type TokenDecision, tokenSteps } from "@authmesh/oath";
import type { Terminal } from "../terminal/terminal.js";

/** What became of a step of docs/protocol.md, section 8.4. */
export interface StepRow {
  /** 1 to 14; 13.5 is revocation. */
  readonly step: number;
  readonly name: string;
  readonly outcome: keyof typeof colours;
}

const colours = {
  passed: "green",
  refused: "red",
  "not asked": "yellow",
  "not reached": "bold",
} as const;

/** @param unasked the names of steps that let everything pass here, for nobody was there to ask */
export function stepRows({ steps }: TokenDecision, unasked: readonly string[]): readonly StepRow[] {
  return tokenSteps.map(({ number: step, name }, i) => {
    const outcome = steps[i]?.outcome ?? "not reached";
    return { step, name, outcome: outcome === "passed" && unasked.includes(name) ? "not asked" : outcome };
  });
}

/** The table, and below the step that refused why it did and what mends it. */
export function formatSteps(
  rows: readonly StepRow[],
  refusal: Pick<Failure, "detail" | "fix"> | undefined,
  { paint }: Terminal,
): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const below = [refusal?.detail ?? "", refusal?.fix ?? ""].map((line) => `${" ".repeat(width + 10)}${line}`);
  return rows
    .flatMap(({ step, name, outcome }) => [
      `  ${String(step).padStart(4)}  ${name.padEnd(width)}  ${paint(colours[outcome], outcome)}`,
      ...(outcome === "refused" ? below : []),
    ])
    .join("\n");
}
