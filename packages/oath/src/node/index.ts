/**
 * What needs files, processes and watching.
 *
 * @module
 */

export { type CheckedText, formatTextProblem, type TextProblem } from "../document/document-text.js";
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
export { checkPolicyText, type PolicyFormat, parsePolicy } from "../policy/policy-text.js";
export { type FileKind, readBoundedFile, type SeenFile, textOf } from "./bounded-file.js";
export {
  type CertificateFiles,
  type CertificatePair,
  type RenewalOptions,
  readCertificate,
  renewCertificate,
  usingCertificate,
} from "./certificate-files.js";
export { type FileAuditOptions, FileAuditSink } from "./file-audit-sink.js";
export { type FollowFilesOptions, followFiles, type Sight } from "./follow-files.js";
export { readPemFile } from "./pem-file.js";
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
