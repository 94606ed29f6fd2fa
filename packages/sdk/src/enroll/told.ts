import type { Scopes } from "@authmesh/core";

/** docs/protocol.md, section 10.2. What is deleted has none. */
export type EnrollmentStatus = "pending" | "approved" | "denied" | "revoked" | "expired";

/** Whether the key is in a TPM (docs/protocol.md, section 12). */
export type EnrollmentAttestation =
  | { readonly status: "none" | "claimed" }
  | { readonly status: "proven"; readonly maker: string };

/** An enrollment as the authority tells it to who may read it (docs/protocol.md, section 10.7). Times are Unix seconds. */
export interface EnrollmentInfo {
  /** `en_` and 16 characters. */
  readonly id: string;
  /** "@acme" */
  readonly account: string;
  readonly appName: string;
  readonly deviceName: string;
  readonly deviceId: string;
  /** The compressed point in standard base64. */
  readonly publicKey: string;
  readonly status: EnrollmentStatus;
  /** What is granted; what was asked for while it is pending. */
  readonly scopes: Scopes;
  /** What was asked for; `lifetime` in seconds. */
  readonly requested: { readonly scopes: Scopes; readonly lifetime?: number };
  readonly requestedAt: number;
  /** Where the request came from. */
  readonly address: string;
  readonly decidedAt?: number;
  /** Id of the enrollment that decided. */
  readonly decidedBy?: string;
  readonly reason?: string;
  /** When a pending request lapses, or an approved enrollment ends. Absent: never. */
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
  readonly attestation: EnrollmentAttestation;
  /** The comparison code, six digits; only while it is pending. */
  readonly code?: string;
  /** Ids of enrollments with the same names; only while it is pending. */
  readonly conflicts?: readonly string[];
}

/** What the authority tells who holds the key of an enrollment (docs/protocol.md, section 10.6). */
export interface EnrollmentOutcome {
  readonly id: string;
  readonly status: EnrollmentStatus;
  readonly reason?: string;
  /** What is granted; only of one that is approved. */
  readonly scopes?: Scopes;
  /** Unix seconds. */
  readonly expiresAt?: number;
}
