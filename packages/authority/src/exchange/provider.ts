import type { ProviderKind } from "./provider-kinds.js";

/** An OIDC provider whose tokens the authority takes. */
export interface Provider extends ProviderKind {
  /** "github-actions", "gitlab", or what the configuration calls it; a token's `src.type`. */
  readonly name: string;
  /** The `iss` of its tokens, to the letter. */
  readonly issuer: string;
  /** Where its keys are; undefined: where its OpenID configuration says. */
  readonly jwksUri?: string;
  /** Origins beside the issuer's own that its OpenID configuration may name for its keys. */
  readonly jwksOrigins?: readonly string[];
}
