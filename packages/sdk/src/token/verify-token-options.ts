import type { AuditSink, NonceStore } from "@authmesh/core";
import type { KeySource, PolicyEngine, TokenDecision, TokenVerifierOptions } from "@authmesh/oath";
import type { FeedOptions } from "../feed/authority-option.js";
import type { Logger } from "../logger.js";
import type { DecidedRequest } from "../verify-options.js";

/** Told of a decision on a token, and of the request that it is about. */
export type TokenDecisionListener = (
  decision: TokenDecision,
  request: DecidedRequest,
) => void | Promise<void>;

/**
 * Options of `verifyToken`, whatever the framework: those of the verifier of `@authmesh/oath`, with defaults for what it
 * needs from around it.
 */
export interface VerifyTokenOptions
  extends Omit<TokenVerifierOptions, "keys" | "replay" | "policy">,
    FeedOptions {
  /** The issuers' keys. Default: fetched from each of `trustedIssuers`, at once and then ahead of need. */
  readonly keys?: KeySource | undefined;
  /**
   * Where tokens that were used are remembered. Default: the memory of this process. Instances that serve one
   * audience need one store: `new RedisNonceStore(…)` of `@authmesh/sdk/redis`.
   */
  readonly replay?: NonceStore | undefined;
  /**
   * Which callers may do what: an engine, or on a machine with files the path of a policy, read anew when it changes.
   * "none" lets every verified token in. Without any, nobody is let in, and the log says so.
   */
  readonly policy?: PolicyEngine | string | undefined;
  /** Folder of the identity that asks the authority for its feeds. Default: AUTH_MESH_DIR, else ~/.amesh. */
  readonly identity?: string | undefined;
  /** Called with every decision, and not waited for. What it throws, or rejects with, is logged and changes nothing. */
  readonly onDecision?: TokenDecisionListener | undefined;
  /** Where every decision is recorded, as in `amesh.verify`. Default: nowhere. */
  readonly audit?: AuditSink | undefined;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | undefined;
}
