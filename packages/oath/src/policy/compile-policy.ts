import { canonicalJson, createRunningHash, type JsonValue, toHex, utf8 } from "@authmesh/core";
import { type CompiledRule, compileRule, traceCondition } from "./compile-rule.js";
import { isDecidable, undecidable } from "./decidable.js";
import { assertPolicyDocument, type PolicyDocument } from "./policy-document.js";
import type { PolicyDecision, PolicyEngine, PolicyInput, PolicyTrace, RuleTrace } from "./policy-engine.js";
import { RuleIndex } from "./rule-index.js";

/**
 * Makes a policy ready to decide (docs/protocol.md, section 8.8). The first rule that matches decides; where none does,
 * the answer is no.
 *
 * @param document is checked in full, wherever it comes from; later changes to it change nothing
 * @throws AmeshError `policy_invalid`
 */
export function compilePolicy(document: PolicyDocument): PolicyEngine {
  assertPolicyDocument(document);
  return new RulePolicy(document.rules.map(compileRule), digestOf(document));
}

/** The same for a document in YAML, JSON or Pkl that says the same. */
function digestOf({ version, rules }: PolicyDocument): string {
  const hash = createRunningHash("sha256");
  hash.update(utf8(canonicalJson({ version, rules } as unknown as JsonValue)));
  return `sha256:${toHex(hash.digest())}`;
}

const noRule: PolicyDecision = Object.freeze({ allowed: false, reason: "No rule allows it." });

class RulePolicy implements PolicyEngine {
  readonly digest: string;
  readonly #rules: readonly CompiledRule[];
  readonly #decisions: readonly PolicyDecision[];
  readonly #index: RuleIndex;

  constructor(rules: readonly CompiledRule[], digest: string) {
    this.digest = digest;
    this.#rules = rules;
    this.#decisions = rules.map(decisionOf);
    this.#index = new RuleIndex(rules);
  }

  decide(input: PolicyInput): PolicyDecision {
    if (!isDecidable(input)) return undecidable;
    let first = this.#rules.length;
    for (const candidates of this.#index.find(input)) {
      for (const id of candidates) {
        if (id >= first) break;
        if (matches(this.#rules[id] as CompiledRule, input)) first = id;
      }
    }
    return this.#decisions[first] ?? noRule;
  }

  explain(input: PolicyInput): PolicyTrace {
    if (!isDecidable(input)) return { decision: undecidable, rules: [] };
    const rules: RuleTrace[] = [];
    for (const [id, rule] of this.#rules.entries()) {
      const trace = traceRule(rule, input);
      rules.push(trace);
      if (trace.matched) return { decision: this.#decisions[id] as PolicyDecision, rules };
    }
    return { decision: noRule, rules };
  }
}

const matches = ({ conditions }: CompiledRule, input: PolicyInput): boolean => {
  for (const condition of conditions) if (!condition.holds(input)) return false;
  return true;
};

function traceRule({ name, effect, conditions }: CompiledRule, input: PolicyInput): RuleTrace {
  const stop = conditions.findIndex((condition) => !condition.holds(input));
  const lookedAt = stop === -1 ? conditions : conditions.slice(0, stop + 1);
  return {
    rule: name,
    effect,
    matched: stop === -1,
    conditions: lookedAt.map((condition) => traceCondition(condition, input)),
  };
}

function decisionOf({ name, effect }: CompiledRule): PolicyDecision {
  const allowed = effect === "allow";
  return Object.freeze({
    allowed,
    rule: name,
    reason: `The rule ${name} ${allowed ? "allows" : "denies"} it.`,
  });
}
