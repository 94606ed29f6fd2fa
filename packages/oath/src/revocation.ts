/** What a revocation is of. All are within one issuer. */
export type RevocationSubject = "sub" | "jti" | "kid" | "tenant";

/** One entry of an issuer's revocation list. Times are Unix seconds. */
export interface Revocation {
  readonly issuer: string;
  readonly by: RevocationSubject;
  /** The subject, token id, key id or tenant. */
  readonly value: string;
  readonly reason: string;
  /** Who revoked: a device id or a person's name, as the issuer knows it. */
  readonly actor: string;
  readonly at: number;
  /** When the entry may be forgotten; absent: never. */
  readonly expiresAt?: number;
}

/** What a token may be revoked by. */
export interface RevocableToken {
  readonly iss: string;
  readonly sub: string;
  readonly jti: string;
  readonly kid: string;
  readonly tenant?: string | undefined;
}

/** Whom a verifier asks whether a token was revoked. */
export interface RevocationSource {
  /**
   * Synchronous where the list is in memory.
   *
   * @throws AmeshError `revocation_unavailable` when the list cannot be asked, or is older than it may be
   */
  find(token: RevocableToken): Revocation | undefined | Promise<Revocation | undefined>;
  close?(): void | Promise<void>;
}
