import { expect, it } from "vitest";
import { earlyExit, type SecretCheck, secretChecks } from "./secret-checks.js";
import { timingDifference } from "./welch.js";

const calls = 100_000;
const limit = 4.5;
const tries = 3;

/** Until one is as it must be: another program may have had its part in the others. */
function differences(of: SecretCheck, fits: (difference: number) => boolean): number[] {
  timingDifference(of.check, of, calls / 10); // for the compiler
  const found: number[] = [];
  while (found.length < tries && !found.some(fits)) found.push(timingDifference(of.check, of, calls));
  console.log(`${of.name}: t = ${found.map((t) => t.toFixed(1)).join(", ")}`);
  return found;
}

it.each(secretChecks)("$name takes as long wherever a guess is wrong", { timeout: 120_000 }, (secret) => {
  expect(Math.min(...differences(secret, (t) => t < limit))).toBeLessThan(limit);
});

it("a comparison that stops early is found out", { timeout: 120_000 }, () => {
  expect(Math.min(...differences(earlyExit, () => false))).toBeGreaterThan(limit);
});

it.each(secretChecks)("$name is of guesses that are both wrong, and read as far as the secret", (secret) => {
  const outcome = (guess: string) => {
    const told = secret.check(guess);
    return told instanceof Error ? told.message : JSON.stringify(told);
  };
  expect(secret.wrongAtFirst).not.toBe(secret.wrongAtLast);
  expect(secret.wrongAtFirst).toHaveLength(secret.wrongAtLast.length);
  if (!secret.name.startsWith("passcode"))
    expect(outcome(secret.wrongAtFirst)).toBe(outcome(secret.wrongAtLast));
});
