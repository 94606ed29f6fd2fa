import { type JsonObject, quoteForeign } from "@authmesh/core";
import { compileGlob } from "@authmesh/oath";
import type { ClaimUse } from "./provider-kinds.js";
import { claimText } from "./verified-claims.js";

/** What a rule asks of one claim. */
export interface ClaimCondition {
  readonly claim: string;
  readonly use: ClaimUse;
  /** As the rule writes them; one is enough. */
  readonly expected: readonly string[];
  /** Why it does not hold: a plain half-sentence; undefined when it does. */
  misses(claims: JsonObject): string | undefined;
}

export function compileCondition(claim: string, use: ClaimUse, expected: readonly string[]): ClaimCondition {
  const tests = expected.map((text) => (comparesGlobs(use) ? compileGlob(text, "/").matches : exactly(text)));
  return {
    claim,
    use,
    expected,
    misses(claims) {
      const value = claimText(claims, claim);
      if (value === undefined) return `the token has no ${claim}`;
      if (tests.some((holds) => holds(value))) return undefined;
      return `its ${claim} is ${quoteForeign(value)}, not ${expected.join(" or ")}`;
    },
  };
}

/** Whether `*` means anything in a condition on such a claim. */
export const comparesGlobs = (use: ClaimUse): boolean => use === "glob" || use === "path";

const exactly = (expected: string) => (value: string) => value === expected;
