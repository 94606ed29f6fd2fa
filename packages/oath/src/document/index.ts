/**
 * Documents that people write, in YAML or JSON: one table says what may stand in them, checks it and is their JSON
 * Schema. For policies, and for the configuration of `@authmesh/gateway`.
 *
 * @module
 */
export {
  type CheckedText,
  checkDocument,
  type DocumentFormat,
  type DocumentKind,
  describeProblems,
  formatTextProblem,
  readDocument,
  type TextProblem,
} from "./document-text.js";
export {
  about,
  also,
  flag,
  formatProblem,
  listOf,
  mapOf,
  number,
  oneOf,
  oneOrMore,
  orFalse,
  type Place,
  type Problem,
  problemsOf,
  type RecordShape,
  record,
  type Shape,
  text,
  unseen,
} from "./shape.js";
export { type Position, parseStrictYaml } from "./strict-yaml.js";
