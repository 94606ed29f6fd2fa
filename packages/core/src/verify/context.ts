import type { AuthMeshHeader } from "../authorization-header.js";
import type { EvidenceKind } from "../evidence.js";
import type { Bound } from "../host-binding.js";
import type { BodyDigest } from "../http-signature/content-digest.js";
import type { HttpSignature } from "../http-signature/profile.js";
import type { NonceStore } from "../nonce-store.js";
import type { PublicKey } from "../public-key.js";
import type { BodyHashAlgorithm, IncomingRequest } from "../request.js";
import type { Scopes } from "../scopes.js";
import type { TrustedDevice, TrustStore } from "../trust-store.js";
import type { DelegationCache, PresentedDelegation } from "./delegation-cache.js";
import type { CheckStep } from "./run-steps.js";

/** What the steps of one verification share: each fills in what later ones read. */
export class VerificationContext {
  readonly request: IncomingRequest;
  readonly warnings: string[] = [];
  contentType!: string;
  contentEncoding!: string;
  /** Who the caller says it is: the key that signed, in base64, where the proof names one … */
  claimedKey: string | undefined;
  /** … and its device's id, where proof or delegation name that. */
  claimedId: string | undefined;
  /** Set when a session key signed the request in place of the device's key. */
  presented: PresentedDelegation | undefined;
  device!: TrustedDevice;
  /** Set once the body was read, or there is none. */
  bodyHash: { readonly algorithm: BodyHashAlgorithm; readonly hex: string } | undefined;
  /** Set once the signature was found right. */
  signed: SignedMessage | undefined;
  /** Whether the caller has shown, with this very request and for the first time, that it holds the key. */
  proven = false;

  /** Of an AuthMesh header. */
  header!: AuthMeshHeader;
  /** Seconds. */
  timestamp!: number;

  /** Of an HTTP signature. */
  httpSignature!: HttpSignature;
  bodyDigests: readonly BodyDigest[] = [];
  /** Beside what every signature covers. */
  alsoCovered: readonly string[] = [];
  /** The key that signed, where it goes by itself and not by a device. */
  holder: PublicKey | undefined;
  hosts!: ExpectedHosts;

  constructor(request: IncomingRequest) {
    this.request = request;
  }

  /** What the nonce must bind, for one host. */
  boundTo(host: string): Bound {
    return { host, contentType: this.contentType, contentEncoding: this.contentEncoding };
  }

  /** The key that must have signed. */
  get signingKey(): PublicKey {
    return this.holder ?? this.presented?.delegation.sessionKey ?? this.device.publicKey;
  }
}

/** What was signed, how, and by what kind of proof. */
export interface SignedMessage {
  readonly kind: EvidenceKind;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Which hosts a request may have been made for, each as `normalizeHost` writes it. */
export interface ExpectedHosts {
  /** The audience. */
  readonly configured: readonly string[];
  /** As the request names it. */
  readonly received: string | undefined;
  /** One of these it must have been made for. */
  readonly acceptable: readonly string[];
}

/** What is needed to read a request, whoever made it; every value is checked and set. */
export interface RequestSettings {
  /** Normalised hosts; empty means that the sealed state's audience is asked. */
  readonly audience: readonly string[];
  readonly trustProxy: boolean;
  /** Empty where no proxy takes anything off. */
  readonly pathPrefix: string;
  readonly clockSkewSeconds: number;
  readonly maxBodyBytes: number;
  readonly bodyTimeoutSeconds: number;
  readonly maxPendingBodies: number;
  readonly contentEncodings: readonly string[];
  /** Lower case; only these of the headers that rewrite method or path are let through. */
  readonly allowOverrideHeaders: readonly string[];
  /** Milliseconds since the epoch, read afresh by each step. */
  readonly now: () => number;
  /** Bodies being awaited by this verifier. */
  pendingBodies: number;
}

/** What the steps ask of the world and of the configuration; every value is checked and set. */
export interface VerifierSettings extends RequestSettings {
  readonly trust: TrustStore;
  readonly nonces: NonceStore;
  readonly requireHostBinding: boolean;
  readonly nonceWindowSeconds: number;
  readonly evidence: boolean;
  readonly scopeSuffices: ((grants: Scopes) => boolean) | undefined;
  /** Delegations whose signatures this verifier found right. */
  readonly delegations: DelegationCache;
}

export type Step = CheckStep<VerificationContext, VerifierSettings>;
/** One that needs to know nothing of devices. */
export type RequestStep = CheckStep<VerificationContext, RequestSettings>;
