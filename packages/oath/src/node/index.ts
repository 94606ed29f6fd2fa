/**
 * What needs files, processes and watching.
 *
 * @module
 */

export {
  type CaseResult,
  type PolicyCase,
  type PolicyCases,
  parsePolicyCases,
  parsePolicyInput,
  runPolicyCases,
  toPolicyInput,
  type WrittenInput,
} from "../policy/policy-cases.js";
export {
  type CheckedText,
  checkPolicyText,
  formatTextProblem,
  type PolicyFormat,
  parsePolicy,
  type TextProblem,
} from "../policy/policy-text.js";
export { type Position, parseStrictYaml } from "../policy/strict-yaml.js";
export { type FileAuditOptions, FileAuditSink } from "./file-audit-sink.js";
export {
  type CheckedPolicy,
  checkPolicy,
  type FileProblem,
  type LoadedPolicy,
  loadPolicy,
} from "./policy-files.js";
export type { PklOptions } from "./policy-pkl.js";
export {
  type OpenPolicy,
  type OpenPolicyOptions,
  openPolicy,
  type PolicyEvent,
  type PolicyLogger,
} from "./policy-watch.js";
export { type ReadAuditLogOptions, readAuditLog } from "./read-audit-log.js";
export { StreamAuditSink } from "./stream-audit-sink.js";
export { type VerifyAuditLogOptions, verifyAuditLog } from "./verify-audit-log.js";
