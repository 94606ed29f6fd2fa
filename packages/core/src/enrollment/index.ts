/**
 * What the two ends of an enrollment say to each other (docs/protocol.md, section 10): pure functions, no I/O.
 *
 * @module
 */

export * from "./account-claim.js";
export * from "./attestation-evidence.js";
export * from "./challenge-answer.js";
export * from "./enrollment-names.js";
export * from "./enrollment-request.js";
export * from "./invitation-terms.js";
export * from "./mail-address.js";
export * from "./recovery-code.js";
