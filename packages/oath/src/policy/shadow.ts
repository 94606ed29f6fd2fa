import type { PolicyDecision, PolicyEngine, PolicyInput } from "./policy-engine.js";

/** A policy that decides, and beside it one that is only watched. */
export interface ShadowPolicy extends PolicyEngine {
  readonly counts: ShadowCounts;
}

export interface ShadowCounts {
  readonly decisions: number;
  /** How often the candidate would have denied what was allowed. */
  readonly wouldDeny: number;
  /** How often the candidate would have allowed what was denied. */
  readonly wouldAllow: number;
  /** How often the candidate threw, which a `PolicyEngine` must not. */
  readonly failures: number;
}

export interface PolicyDifference {
  readonly input: PolicyInput;
  readonly active: PolicyDecision;
  readonly candidate: PolicyDecision;
}

/**
 * Decides by `active`, and asks `candidate` the same, to see what it would change. Nothing the candidate says or does
 * has an effect.
 *
 * @param onDifference told where one allows and the other denies; what it throws is ignored
 */
export function shadow(
  active: PolicyEngine,
  candidate: PolicyEngine,
  onDifference: (difference: PolicyDifference) => void = () => {},
): ShadowPolicy {
  const counts = { decisions: 0, wouldDeny: 0, wouldAllow: 0, failures: 0 };
  const compare = (input: PolicyInput, decided: PolicyDecision): void => {
    counts.decisions++;
    const difference = { input, active: decided, candidate: candidate.decide(input) };
    if (difference.candidate.allowed === decided.allowed) return;
    counts[decided.allowed ? "wouldDeny" : "wouldAllow"]++;
    try {
      onDifference(difference);
    } catch {
      // Whoever watches must not decide.
    }
  };
  return {
    decide(input) {
      const decided = active.decide(input);
      try {
        compare(input, decided);
      } catch {
        counts.failures++;
      }
      return decided;
    },
    explain: (input) => active.explain(input),
    get digest() {
      return active.digest;
    },
    get counts() {
      return { ...counts };
    },
  };
}
