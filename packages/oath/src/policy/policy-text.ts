import type { CheckedText } from "../document/document-text.js";
import { checkDocument, type DocumentFormat, readDocument } from "../document/document-text.js";
import type { Shape } from "../document/shape.js";
import { type PolicyDocument, policyShape } from "./policy-document.js";

export type PolicyFormat = DocumentFormat;

/** Bytes of a policy, all files of a folder together. */
export const maxPolicyBytes = 1_048_576;

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
  checkDocument(text, format, { shape: policyShape, maxBytes: maxPolicyBytes });

/** @throws AmeshError `policy_invalid` */
export const readText = <T>(text: string, format: PolicyFormat, shape: Shape, name: string): T =>
  readDocument(text, format, { shape, maxBytes: maxPolicyBytes, code: "policy_invalid" }, name);
