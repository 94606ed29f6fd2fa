import { tokenAlgorithms } from "../keys/new-signing-key.js";

/** Where everything is, relative to the issuer's URL (docs/protocol.md, section 8.9). */
export const paths = {
  keys: "/.well-known/jwks.json",
  oauthMetadata: "/.well-known/oauth-authorization-server",
  openidMetadata: "/.well-known/openid-configuration",
  token: "/v1/token",
  exchange: "/v1/token/exchange",
  introspect: "/v1/introspect",
  revocations: "/v1/revocations",
  accounts: "/v1/accounts",
  activation: "/v1/accounts/activation",
  challenges: "/v1/challenges",
  attestations: "/v1/attestations",
  onboarding: "/v1/onboarding",
  recovery: "/v1/recovery",
  authentication: "/v1/authentication",
  feedKey: "/v1/feeds/key",
  feedHead: "/v1/feeds/:feed/head",
  feedSnapshot: "/v1/feeds/:feed/snapshot",
  feedDeltas: "/v1/feeds/:feed/deltas",
  feedEvents: "/v1/feeds/:feed/events",
  enrollments: "/v1/enrollments",
  passcodes: "/v1/passcodes",
  invitations: "/v1/invitations",
  health: "/health",
  ready: "/ready",
  metrics: "/metrics",
} as const;

/** What the issuer says of itself (RFC 8414; the second document for clouds, which look for OpenID's). */
export function metadata(issuer: string): { readonly oauth: object; readonly openid: object } {
  const base = issuer.replace(/\/$/, "");
  const oauth = {
    issuer,
    jwks_uri: base + paths.keys,
    token_endpoint: base + paths.exchange,
    token_endpoint_auth_methods_supported: ["none"],
    grant_types_supported: ["urn:ietf:params:oauth:grant-type:token-exchange"],
    response_types_supported: [],
    introspection_endpoint: base + paths.introspect,
    amesh_token_endpoint: base + paths.token,
    amesh_revocations_endpoint: base + paths.revocations,
  };
  const openid = {
    ...oauth,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: tokenAlgorithms,
  };
  return { oauth, openid };
}
