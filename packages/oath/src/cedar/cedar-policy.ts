import { AmeshError, quoteForeign } from "@authmesh/core";
import type { AuthorizationError, EntityJson, Schema } from "@cedar-policy/cedar-wasm/nodejs";
import { isDecidable, undecidable } from "../policy/decidable.js";
import { isPlainPath } from "../policy/plain-path.js";
import type {
  PolicyDecision,
  PolicyEngine,
  PolicyInput,
  PolicyTrace,
  RuleTrace,
} from "../policy/policy-engine.js";
import { cedarRequest, isWellFormed } from "./cedar-request.js";
import { CedarSession } from "./cedar-session.js";
import { type CedarText, digestOf, invalid, type NamedPolicies, namePolicies } from "./cedar-text.js";
import { loadCedar } from "./load-cedar.js";

export interface CedarOptions {
  /**
   * What there is beside the request: groups that callers are in, attributes; in Cedar's JSON. Read anew at every
   * decision: keep them few. Default none.
   */
  readonly entities?: readonly EntityJson[];
  /** In Cedar's own language or its JSON. The policies, the entities and every request must keep to it. */
  readonly schema?: Schema;
}

/**
 * Makes policies in Cedar's language ready to decide (docs/protocol.md, section 8.8). Needs Node.js and the package
 * `@cedar-policy/cedar-wasm`. No policy that permits: no; one that forbids: no; one that cannot be evaluated: no.
 *
 * @param text at most 1 MiB and 10,000 policies; rules are called by their `@id`, others `policy0`, `policy1`, … by
 * their place
 * @throws AmeshError `policy_invalid`, `package_missing`
 */
export function cedarPolicy(text: string, options: CedarOptions = {}): PolicyEngine {
  if (typeof text !== "string") throw new TypeError("the text of a Cedar policy must be a string");
  return new CedarPolicy({ text, ...asJson(options) });
}

/** As Cedar will see it; later changes change nothing. */
const asJson = (options: CedarOptions): Omit<CedarText, "text"> => ({
  entities: [],
  schema: undefined,
  ...JSON.parse(JSON.stringify(options)),
});

const no = (reason: string): PolicyDecision => Object.freeze({ allowed: false, reason });

const noPolicy = no("No policy permits it.");
const ambiguous = no("The path can be read in two ways.");
const broken = no("Cedar failed while it decided.");
const notTaken = (problem = "nothing") => no(`Cedar cannot take the request: ${quoteForeign(problem, 200)}.`);

class CedarPolicy implements PolicyEngine {
  readonly digest: string;
  readonly #policies: NamedPolicies;
  readonly #session: CedarSession;

  constructor(source: CedarText) {
    const cedar = loadCedar();
    try {
      this.#policies = namePolicies(cedar, source.text);
      this.#session = new CedarSession(cedar, this.#policies, source);
      this.digest = digestOf(cedar, source);
    } catch (cause) {
      if (cause instanceof AmeshError) throw cause;
      throw invalid("Cedar failed to read it; it may be nested too deep.", undefined, cause);
    }
  }

  decide(input: PolicyInput): PolicyDecision {
    return this.explain(input).decision;
  }

  /** The policies that decided, or those that could not be evaluated. */
  explain(input: PolicyInput): PolicyTrace {
    if (!isDecidable(input)) return { decision: undecidable, rules: [] };
    if (input.path !== undefined && !isPlainPath(input.path)) return { decision: ambiguous, rules: [] };
    const request = cedarRequest(input);
    if (!isWellFormed(request)) return { decision: undecidable, rules: [] };
    const answer = this.#session.ask(request);
    if (answer === undefined) return { decision: broken, rules: [] };
    if (answer.type === "failure") return { decision: notTaken(answer.errors[0]?.message), rules: [] };
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0) return this.#failed(diagnostics.errors);
    return this.#decided(decision === "allow", new Set(diagnostics.reason));
  }

  #decided(allowed: boolean, ids: ReadonlySet<string>): PolicyTrace {
    const rules = [...this.#policies]
      .filter(([name]) => ids.has(name))
      .map(([rule, { effect }]): RuleTrace => ({ rule, effect, matched: true, conditions: [] }));
    const rule = rules[0]?.rule;
    if (rule === undefined) return { decision: noPolicy, rules };
    const reason = `The policy ${rule} ${allowed ? "permits" : "forbids"} it.`;
    return { decision: { allowed, rule, reason }, rules };
  }

  /** What cannot be evaluated might have forbidden it. */
  #failed(errors: readonly AuthorizationError[]): PolicyTrace {
    const messages = new Map(errors.map(({ policyId, error }) => [policyId, error.message]));
    const rules = [...this.#policies]
      .filter(([name]) => messages.has(name))
      .map(([rule, { effect }]): RuleTrace => {
        const actual = quoteForeign(messages.get(rule) as string, 200);
        const conditions = [{ field: "evaluation", expected: "no error", actual, holds: false }];
        return { rule, effect, matched: false, conditions };
      });
    return { decision: no(`The policy ${rules[0]?.rule} cannot be evaluated for it.`), rules };
  }
}
