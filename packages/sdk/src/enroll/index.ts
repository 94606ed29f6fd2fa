/**
 * Enrollment: machines under an account of an authority, asked for, approved, revoked (docs/protocol.md, section 10).
 *
 * @module
 */

export type { AttestOptions } from "./attest-key.js";
export {
  type AuthenticatedMachine,
  type AuthenticateOptions,
  authenticate,
} from "./authenticate.js";
export {
  type ClaimedAccount,
  type OnboardOptions,
  onboard,
  type RecoverOptions,
  recover,
} from "./claim.js";
export {
  type ApproveOptions,
  approveEnrollment,
  type Decided,
  type DecisionOptions,
  deleteEnrollment,
  denyEnrollment,
  type ExtendOptions,
  extendEnrollment,
  type NarrowOptions,
  narrowEnrollment,
  type ReasonOptions,
  type RevokeOptions,
  revokeEnrollment,
  unrevokeEnrollment,
} from "./decide.js";
export {
  type CreatedInvitation,
  type CreatedPasscode,
  type CreateInvitationOptions,
  createInvitation,
  createPasscode,
  type DeleteInvitationOptions,
  deleteInvitation,
  type InvitationInfo,
  listInvitations,
} from "./invitations.js";
export { type ListOptions, listEnrollments, type ShowOptions, showEnrollment } from "./list.js";
export type { EnrollOptions, NewMachineOptions } from "./options.js";
export {
  type ActivatedAccount,
  type ActivateOptions,
  activate,
  type RegisterOptions,
  register,
} from "./register.js";
export { type RememberedEnrollment, rememberedEnrollment } from "./remembered.js";
export {
  cancelEnrollment,
  type RequestEnrollmentOptions,
  type RequestedEnrollment,
  requestEnrollment,
} from "./request.js";
export { type RotatedKey, type RotateKeyOptions, rotateKey } from "./rotate-key.js";
export type {
  EnrollmentAttestation,
  EnrollmentInfo,
  EnrollmentOutcome,
  EnrollmentStatus,
} from "./told.js";
export { type WaitOptions, waitForEnrollment } from "./wait.js";
export { type WatchedEnrollment, type WatchOptions, watchEnrollments } from "./watch.js";
