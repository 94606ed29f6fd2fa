import { AmeshError, type ErrorCode, type JsonValue, parseStrictJson } from "@authmesh/core";
import { formatProblem, type Problem, problemsOf, type Shape } from "./shape.js";
import { type Position, parseStrictYaml, type YamlDocument, type YamlProblem } from "./strict-yaml.js";

export type DocumentFormat = "json" | "yaml";

/** What a document of some kind is, and how an error names that one is not. */
export interface DocumentKind {
  readonly shape: Shape;
  readonly maxBytes: number;
  readonly code: ErrorCode;
}

/** What is wrong with a text, and where. */
export interface TextProblem {
  /** A sentence. */
  readonly message: string;
  readonly position?: Position;
  /** Which member: "rules[0].subject". */
  readonly path?: string;
}

export type CheckedText<T> =
  | {
      readonly value: T;
      readonly problems?: undefined;
      /** Where in the text something stands that was found to be wrong later. */
      locate(problem: Problem): TextProblem;
    }
  | {
      readonly value?: undefined;
      readonly problems: readonly TextProblem[];
      /** What stands there, where it could be read, and is of the wrong shape. */
      readonly misshapen?: {
        readonly value: JsonValue;
        readonly problems: readonly Problem[];
        locate(problem: Problem): TextProblem;
      };
    };

/**
 * Reads a document.
 *
 * @typeParam T what the shape describes
 * @param name what errors call it
 * @throws AmeshError of the kind's code, with line and column of the first thing that is wrong
 */
export function readDocument<T>(text: string, format: DocumentFormat, kind: DocumentKind, name: string): T {
  const { value, problems } = checkDocument<T>(text, format, kind);
  if (problems === undefined) return value;
  throw new AmeshError(kind.code, describeProblems(name, problems));
}

/**
 * As `readDocument`, for whoever wants to know of every problem; at most twenty are named.
 *
 * @typeParam T what the shape describes
 */
export function checkDocument<T>(
  text: string,
  format: DocumentFormat,
  { shape, maxBytes }: Omit<DocumentKind, "code">,
): CheckedText<T> {
  if (text.length > maxBytes) return { problems: [{ message: `It is longer than ${maxBytes} bytes.` }] };
  const yaml = format === "yaml" ? parseStrictYaml(text) : undefined;
  const read = yaml ?? parseStrictJson(text, { maxLength: maxBytes });
  if (read.problem !== undefined) {
    // JSON is YAML too, and its parser knows where a member is named twice.
    const again = read.problem.includes("twice") ? parseStrictYaml(text) : read;
    return { problems: [unreadable(again.problem === undefined ? read : again)] };
  }
  // JSON is YAML too, as far as places go.
  const locate = (problem: Problem) => located(problem, (yaml ?? parseStrictYaml(text)).find);
  const problems = problemsOf(shape, read.value);
  if (problems.length === 0) return { value: read.value as T, locate };
  return { problems: problems.map(locate), misshapen: { value: read.value, problems, locate } };
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

function located(problem: Problem, find: YamlDocument["find"] | undefined): TextProblem {
  const position = find?.(problem.at, problem.inName);
  const path = formatProblem({ at: problem.at, message: "" }).trim();
  return { message: formatProblem(problem), path, ...(position !== undefined && { position }) };
}
