import type { AuditSink, Decision, NonceStore, Scopes, TrustStore } from "@authmesh/core";
import type { DeviceRevocations } from "./device-revocations.js";
import type { FeedOptions } from "./feed/authority-option.js";
import type { Logger } from "./logger.js";

/** What a route sees of the caller after verification: `req.authMesh`. */
export interface AuthMeshIdentity {
  /** "am_cOixWcOdI8-pLh4P" */
  readonly deviceId: string;
  /** "prod-api" */
  readonly friendlyName: string;
  /** What it was granted, by name: "r" or "rw". Empty means nothing beyond being known. */
  readonly scopes: Scopes;
  /** Unix seconds. */
  readonly verifiedAt: number;
  /** Id of the decision that let it in, as the audit has it. */
  readonly decisionId: string;
}

/** Told of a decision, and of the request that it is about. */
export type DecisionListener = (decision: Decision, request: DecidedRequest) => void | Promise<void>;

export interface DecidedRequest {
  readonly method: string;
  /** As the server received it. */
  readonly target: string;
  /** From the request's headers to the decision, the wait for its body included. */
  readonly durationMs: number;
}

/** Options of every adapter. All are optional; the defaults suit one process behind nothing. */
export interface VerifyOptions extends FeedOptions {
  /**
   * The hosts this server answers to, exactly as callers name them: "api.example.com", "localhost:3000";
   * a string may name several, with commas between them. Default: AMESH_AUDIENCE (likewise), else what
   * `amesh init --audience` sealed. Without any, a request captured by another server can be played here with its
   * original Host header, and a warning says so.
   */
  readonly audience?: string | readonly string[];
  /** How far clocks may differ, in seconds, 0 to 300. Default 30. */
  readonly clockSkewSeconds?: number;
  /** How long nonces are remembered at least, in seconds; never less than 2·clockSkewSeconds + 11. Default 60. */
  readonly nonceWindowSeconds?: number;
  /** Where nonces are remembered. Default: the memory of this process. */
  readonly nonceStore?: NonceStore;
  /**
   * Whom to accept: the folder of an identity, or any trust store. Default: AUTH_MESH_DIR, else ~/.amesh.
   */
  readonly allowList?: string | TrustStore;
  /**
   * Whom a fleet revoked without an authority: `new RedisRevocations(url)` of `@authmesh/sdk/redis`. Devices with the grant `__manage:rw` are
   * believed, and those that `revokers` names. Default: nowhere.
   */
  readonly revocations?: DeviceRevocations;
  /** Ids of devices that may revoke for the fleet whatever they were granted. Default: this machine's own. */
  readonly revokers?: readonly string[];
  /** Let X-Forwarded-Host choose among the audience; only behind a proxy that sets it. Default false. */
  readonly trustProxy?: boolean;
  /**
   * What a proxy takes off the path before this server sees the request: "/api". Callers sign the path that they see.
   * Default nothing.
   */
  readonly pathPrefix?: string;
  /** Refuse also devices that never bind their requests to a host. Needs an audience. Default false. */
  readonly requireHostBinding?: boolean;
  /** Largest body in bytes. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** How long a body may take, in seconds. Default 30. */
  readonly bodyTimeoutSeconds?: number;
  /** Bodies awaited at a time; beyond that 503. Default 256. */
  readonly maxPendingBodies?: number;
  /** Content encodings the application decodes: "gzip", "deflate", "br". Default none; others are 415. */
  readonly contentEncodings?: readonly string[];
  /** Headers such as X-HTTP-Method-Override that are let through all the same. Default none. */
  readonly allowOverrideHeaders?: readonly string[];
  /** What the caller must have been granted: "orders:r" or "orders:w". Default: to be known is enough. */
  readonly scope?: string;
  /** Called with every decision, and not waited for. What it throws, or rejects with, is logged and changes nothing. */
  readonly onDecision?: DecisionListener;
  /**
   * Where every decision is recorded. Written in the background, in order and in batches, and tried again while that
   * fails; the log says when events were left out because a sink cannot keep up. With a `FanOutAuditSink` that requires
   * sinks, nobody is let in before as many of them have the event (503 `audit_unavailable`). Default: nowhere.
   */
  readonly audit?: AuditSink;
  /** Keep in decisions and audit what the caller signed, so that others can check it (`checkEvidence`). Default false. */
  readonly evidence?: boolean;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}
