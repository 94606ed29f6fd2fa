import { coversScopes, type Scopes } from "@authmesh/core";

/** docs/protocol.md, section 10.2. What is deleted is no row any more. */
export const enrollmentStatuses = ["pending", "approved", "denied", "revoked", "expired"] as const;

export type EnrollmentStatus = (typeof enrollmentStatuses)[number];

/** The two reasons that mean more than a line for people. */
export const suspectedClone = "suspected-clone";
export const compromise = "compromise";

/** One enrollment as the database has it (docs/protocol.md, section 10). Times are Unix seconds. */
export interface Enrollment {
  /** `en_` and 16 characters of base64url. */
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
  readonly requested: { readonly scopes: Scopes; readonly lifetime?: number };
  readonly requestedAt: number;
  /** Where the request came from. */
  readonly address: string;
  /** SHA-256 of the request, base64url; of a master enrollment that of the recovery code, or empty. */
  readonly requestDigest: string;
  /** 32 bytes, base64url, drawn once the request was stored; empty of a master enrollment. */
  readonly s: string;
  /** When a pending request lapses, or an approved enrollment ends; absent: never. */
  readonly expiresAt?: number;
  readonly decidedAt?: number;
  /** The enrollment that decided last: who approved is in `approvedBy`. */
  readonly decidedBy?: string;
  /** Who approved it, for cascades; absent of a master enrollment. */
  readonly approvedBy?: string;
  readonly reason?: string;
  readonly lastUsedAt?: number;
  /** The highest that an answer to a challenge carried. */
  readonly counter: number;
  readonly attestation: Attestation;
}

/** Whether the key is in a TPM (docs/protocol.md, section 12). */
export type Attestation =
  | { readonly status: "none" }
  /** `detail`: a sentence that says why it is not proven. */
  | { readonly status: "claimed"; readonly detail: string }
  /** Without `maker` the certificate names none. */
  | { readonly status: "proven"; readonly maker?: string };

/** Ends of an enrollment by itself: what `status` says may be behind the clock. */
export const hasLapsed = ({ status, expiresAt }: Enrollment, now: number): boolean =>
  (status === "pending" || status === "approved") && expiresAt !== undefined && now >= expiresAt;

/** As the clock has it: past its end it is expired, whether or not that was written yet. */
export const asOf = (enrollment: Enrollment, now: number): Enrollment =>
  hasLapsed(enrollment, now) ? { ...enrollment, status: "expired" } : enrollment;

/** Whether its scopes were ever granted; before that, and for good where it was denied or lapsed, they are a wish. */
export const wasApproved = ({ status, decidedAt }: Enrollment): boolean =>
  status !== "denied" && decidedAt !== undefined;

/** What a master enrollment holds, and every root covers. */
export const masterScopes: Scopes = { "*": "rw", __manage: "rw" };

export const isRoot = ({ status, expiresAt, scopes }: Enrollment): boolean =>
  status === "approved" && expiresAt === undefined && coversScopes(scopes, masterScopes);
