import { AmeshError, canonicalJson, type JsonValue, quoteForeign, sha256Hex, utf8 } from "@authmesh/core";
import type { DetailedError, EntityJson, Schema } from "@cedar-policy/cedar-wasm/nodejs";
import { formatTextProblem } from "../document/document-text.js";
import { positionIn } from "../document/strict-yaml.js";
import { maxRules, ruleName } from "../policy/policy-document.js";
import { maxPolicyBytes } from "../policy/policy-text.js";
import type { Cedar } from "./load-cedar.js";

/** What a Cedar policy is made of. */
export interface CedarText {
  readonly text: string;
  readonly entities: EntityJson[];
  readonly schema: Schema | undefined;
}

export interface NamedPolicy {
  readonly text: string;
  readonly effect: "allow" | "deny";
}

/** Policies by name, in the order of the text. */
export type NamedPolicies = ReadonlyMap<string, NamedPolicy>;

/**
 * Takes a text apart.
 *
 * @throws AmeshError `policy_invalid`
 */
export function namePolicies(cedar: Cedar, text: string): NamedPolicies {
  if (text.length > maxPolicyBytes) throw invalid(`It is longer than ${maxPolicyBytes} bytes.`);
  if (!text.isWellFormed()) throw invalid("It holds half a surrogate pair.");
  const { policies, policy_templates } = succeed(cedar.policySetTextToParts(text), text);
  if (policy_templates.length > 0)
    throw invalid("It has a template. Write a policy for each of those it is for.");
  if (policies.length > maxRules) throw invalid(`It has more than ${maxRules} policies.`);
  const named = new Map<string, NamedPolicy>();
  for (const [id, part] of inOrder(policies)) {
    const { effect, annotations } = succeed(cedar.policyToJson(part)).json;
    const name = annotations?.["id"] ?? id;
    if (!isRuleName.test(name))
      throw invalid(`@id(${quoteForeign(name)}) is not a name of letters, digits, _, . and -, at most 64.`);
    if (named.has(name)) throw invalid(`Two policies are called ${name}.`);
    named.set(name, { text: part, effect: effect === "permit" ? "allow" : "deny" });
  }
  return named;
}

/** The same however it is laid out. @throws AmeshError `policy_invalid` */
export function digestOf(cedar: Cedar, { text, entities, schema }: CedarText): string {
  const { formatted_policy: policies } = succeed(cedar.formatPolicies({ policyText: text }));
  return `sha256:${sha256Hex(canonicalJson({ policies, entities, schema } as unknown as JsonValue))}`;
}

type Answer =
  | { readonly type: "success" }
  | { readonly type: "failure"; readonly errors: readonly DetailedError[] };

/**
 * @param text what the places in its errors are places of
 * @throws AmeshError `policy_invalid`
 */
export function succeed<A extends Answer>(answer: A, text?: string): Extract<A, { type: "success" }> {
  if (answer.type === "failure") throw problem(answer.errors[0], text);
  return answer as Extract<A, { type: "success" }>;
}

export function problem(error: DetailedError | undefined, text?: string): AmeshError {
  const start = error?.sourceLocations?.[0]?.start;
  const position =
    text === undefined || start === undefined ? undefined : positionIn(text, charactersIn(text, start));
  const message = `Cedar says ${quoteForeign(error?.message ?? "nothing", 500)}.`;
  return invalid(
    position === undefined ? message : formatTextProblem("The policy", { message, position }),
    error?.help ?? undefined,
  );
}

export const invalid = (detail: string, help?: string, cause?: unknown): AmeshError =>
  new AmeshError("policy_invalid", detail, {
    fix: help === undefined ? "Correct the Cedar policy." : `Cedar says ${quoteForeign(help, 500)}.`,
    cause,
  });

const isRuleName = new RegExp(ruleName);

/** Cedar numbers policies as they stand in the text, and hands them out sorted by these ids as text. */
function inOrder(policies: readonly string[]): readonly (readonly [string, string])[] {
  const ids = policies.map((_, index) => `policy${index}`);
  const byId = new Map([...ids].sort().map((id, index) => [id, policies[index] as string]));
  return ids.map((id) => [id, byId.get(id) as string]);
}

/** Cedar counts bytes. */
const charactersIn = (text: string, bytes: number): number =>
  new TextDecoder().decode(utf8(text).subarray(0, bytes)).length;
