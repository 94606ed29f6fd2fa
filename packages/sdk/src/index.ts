/**
 * amesh for applications: `amesh.fetch` signs what this machine sends, `amesh.verify()` lets in only the devices
 * this machine trusts.
 *
 * @module
 */
import { createClient } from "./client/create-client.js";
import { verify } from "./express.js";

export type {
  AuditEvent,
  AuditSink,
  Caller,
  Decision,
  ErrorCode,
  Failure,
  NonceStore,
  TrustStore,
} from "@authmesh/core";
export {
  AmeshError,
  checkEventEvidence,
  checkEvidence,
  describeNetworkFailure,
  InMemoryNonceStore,
} from "@authmesh/core";
export { audienceFromEnvironment } from "./audience-variable.js";
export {
  type Client,
  type ClientOptions,
  createClient,
  type SignedInit,
} from "./client/create-client.js";
export type { ClientIdentity } from "./client/request-signer.js";
export {
  type IssuedToken,
  requestToken,
  type SignedSend,
  type TokenBinding,
} from "./client/request-token.js";
export type { Scheme } from "./client/schemes.js";
export type { ClientTokenOptions } from "./client/token-options.js";
export {
  type AuthenticatedRequest,
  requireAction,
  requireScope,
  type TokenDecisionListener,
  type VerifyMiddleware,
  type VerifyTokenOptions,
  verify,
  verifyToken,
} from "./express.js";
export { consoleLogger, type Logger } from "./logger.js";
export type { AuthMeshIdentity, DecidedRequest, DecisionListener, VerifyOptions } from "./verify-options.js";

const machine = createClient();

export const amesh: {
  /** `fetch` that signs with the identity of AUTH_MESH_DIR, else ~/.amesh. */
  readonly fetch: typeof globalThis.fetch;
  readonly verify: typeof verify;
} = { fetch: machine.fetch, verify };
