/** What a revocation is of. All are within one issuer. */
export type RevocationSubject = "sub" | "jti" | "kid" | "tenant";

/** What an entry is found by; a list has one entry for each. */
export interface RevocationKey {
  readonly issuer: string;
  readonly by: RevocationSubject;
  /** The subject, token id, key id or tenant. */
  readonly value: string;
}

/** One entry of an issuer's revocation list. Times are Unix seconds. */
export interface Revocation extends RevocationKey {
  readonly reason: string;
  /** Who revoked: a device id or a person's name, as the issuer knows it. */
  readonly actor: string;
  readonly at: number;
  /** When the entry may be forgotten; absent: never. */
  readonly expiresAt?: number;
}

/** One change of a list: an entry that is in force from now on, or one that is no more. */
export type RevocationChange = { readonly generation: number } & (
  | { readonly revocation: Revocation }
  | { readonly removed: RevocationKey }
);

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
