import { AmeshError, parseStrictJson } from "@authmesh/core";
import { type PolicyDocument, policyShape } from "./policy-document.js";
import { formatProblem, type Problem, problemsOf, type Shape } from "./shape.js";
import { type Position, parseStrictYaml, type YamlDocument, type YamlProblem } from "./strict-yaml.js";

export type PolicyFormat = "json" | "yaml";

/** Bytes of a policy, all files of a folder together. */
export const maxPolicyBytes = 1_048_576;

/** What is wrong with a text, and where. */
export interface TextProblem {
  /** A sentence. */
  readonly message: string;
  readonly position?: Position;
}

export type CheckedText<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly value?: undefined; readonly problems: readonly TextProblem[] };

/**
 * Reads a policy (docs/protocol.md, section 8.8).
 *
 * @param name what errors call it
 * @throws AmeshError `policy_invalid`, with line and column of the first thing that is wrong
 */
export const parsePolicy = (text: string, format: PolicyFormat, name = "The policy"): PolicyDocument =>
  readText(text, format, policyShape, name);

/** As `parsePolicy`, for whoever wants to know of every problem; at most twenty are named. */
export const checkPolicyText = (text: string, format: PolicyFormat): CheckedText<PolicyDocument> =>
  checkText(text, format, policyShape);

/** @throws AmeshError `policy_invalid` */
export function readText<T>(text: string, format: PolicyFormat, shape: Shape, name: string): T {
  const { value, problems } = checkText<T>(text, format, shape);
  if (problems === undefined) return value;
  throw new AmeshError("policy_invalid", describeProblems(name, problems));
}

/** @typeParam T what the shape describes */
function checkText<T>(text: string, format: PolicyFormat, shape: Shape): CheckedText<T> {
  if (text.length > maxPolicyBytes)
    return { problems: [{ message: `It is longer than ${maxPolicyBytes} bytes.` }] };
  const yaml = format === "yaml" ? parseStrictYaml(text) : undefined;
  const read = yaml ?? parseStrictJson(text, { maxLength: maxPolicyBytes });
  if (read.problem !== undefined) return { problems: [unreadable(read)] };
  const problems = problemsOf(shape, read.value);
  if (problems.length === 0) return { value: read.value as T };
  // JSON is YAML too, as far as places go.
  const { find } = yaml ?? parseStrictYaml(text);
  return { problems: problems.map((problem) => locate(problem, find)) };
}

/** "policy.yaml:3:5: rules[0].subjekt is not a member there is. Did you mean subject? And 2 more." */
export function describeProblems(name: string, problems: readonly TextProblem[]): string {
  const [first, ...more] = problems;
  const others = more.length === 0 ? "" : ` And ${more.length} more.`;
  return `${formatTextProblem(name, first as TextProblem)}${others}`;
}

/** "policy.yaml:3:5: rules[0].subjekt is not a member there is." */
export const formatTextProblem = (name: string, { message, position }: TextProblem): string =>
  position === undefined ? `${name}: ${message}` : `${name}:${position.line}:${position.column}: ${message}`;

const unreadable = ({ problem, position }: YamlProblem): TextProblem => ({
  message: `${problem.charAt(0).toUpperCase()}${problem.slice(1).replace(/\.$/, "")}.`,
  ...(position !== undefined && { position }),
});

function locate(problem: Problem, find: YamlDocument["find"] | undefined): TextProblem {
  const position = find?.(problem.at, problem.inName);
  return { message: formatProblem(problem), ...(position !== undefined && { position }) };
}
