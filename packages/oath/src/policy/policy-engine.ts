/** What a policy decides on. Plain data; what is absent matches no rule that asks for it. */
export interface PolicyInput {
  readonly subject: string;
  readonly action: string;
  readonly scopes: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  readonly source?: PolicySource;
  readonly env?: string;
  readonly tenant?: string;
  /** Upper case, as received. */
  readonly method?: string;
  /** The path of the request target, without its query. */
  readonly path?: string;
  /** Unix seconds. */
  readonly time: number;
}

export interface PolicySource {
  readonly type: string;
  readonly repository?: string;
  readonly ref?: string;
  readonly workflow?: string;
  readonly environment?: string;
}

export interface PolicyDecision {
  readonly allowed: boolean;
  /** Name of the rule that matched; absent when none did. */
  readonly rule?: string;
  /** One sentence for the operator. */
  readonly reason: string;
}

/** Decides, and never throws: what cannot be decided is denied. */
export interface PolicyEngine {
  decide(input: PolicyInput): PolicyDecision;
  explain(input: PolicyInput): PolicyTrace;
  /** Tells one policy from another in logs and audit: "sha256:" and hex of its canonical form. */
  readonly digest: string;
}

/** Rule by rule, up to and including the one that decided. */
export interface PolicyTrace {
  readonly decision: PolicyDecision;
  readonly rules: readonly RuleTrace[];
}

export interface RuleTrace {
  readonly rule: string;
  readonly effect: "allow" | "deny";
  readonly matched: boolean;
  /** Every condition of the rule that was looked at, until one did not hold. */
  readonly conditions: readonly ConditionTrace[];
}

export interface ConditionTrace {
  /** "subject", "source.ref", "path", … */
  readonly field: string;
  /** As the rule writes it. */
  readonly expected: string;
  /** As the input has it; absent: it has none. */
  readonly actual?: string;
  readonly holds: boolean;
}
