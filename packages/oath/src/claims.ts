/** What a token says (docs/protocol.md, section 8.2). Plain data; times are Unix seconds. */
export interface TokenClaims {
  /** The issuer: an https URL without query and fragment. */
  readonly iss: string;
  /** Who calls: "svc://billing/worker". */
  readonly sub: string;
  /** For whom the token is: one string, compared exactly. */
  readonly aud: string;
  /** What the caller is about to do: "orders.write". */
  readonly act: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  readonly nbf?: number;
  readonly scope?: readonly string[];
  /** Why, in a person's words. */
  readonly reason?: string;
  /** Where the caller runs; only from a verified exchange. */
  readonly src?: TokenSource;
  readonly env?: string;
  readonly tenant?: string;
  /** The one request the token is good for: "sha256:" and lower-case hex. */
  readonly rqh?: string;
  /** The key that must sign the request: its thumbprint (RFC 7638) in base64url. */
  readonly cnf?: { readonly jkt: string };
}

/** What an OIDC provider said of a job. */
export interface TokenSource {
  /** "github-actions", "gitlab", or the name of a configured provider. */
  readonly type: string;
  readonly repo?: string;
  readonly workflow?: string;
  readonly ref?: string;
  readonly run_id?: string;
  readonly sha?: string;
  /** The provider's deployment environment: "production". */
  readonly environment?: string;
}

/** Seconds. No issuer of ours gives more, and no verifier takes more. */
export const longestLife = 300;
/** Seconds. */
export const defaultLife = 120;
