import { type JsonObject, signCompactJws } from "@authmesh/core";
import type { TokenSigner } from "@authmesh/oath";
import type { VerifiedCaller } from "./admission.js";
import type { SentRequest } from "./caller-context.js";

const lifeSeconds = 30;

export interface ContextTokenOptions {
  readonly issuer: string;
  /** Default: the name of the upstream; without one, of the route. */
  readonly audience: string | undefined;
  /** With a key of P-256. */
  readonly signer: TokenSigner;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A JWS by which an upstream knows who called, and for which request (docs/protocol.md, section 14.5). */
export function contextToken(
  { route, method, target }: SentRequest,
  caller: VerifiedCaller,
  { issuer, audience = route.upstream ?? route.name, signer, now }: ContextTokenOptions,
): Promise<string> {
  const { kind, subject, device, name, action, scopes, issuer: tokenIssuer, tokenId, decisionId } = caller;
  const iat = Math.floor(now() / 1000);
  const known = { device, name, act: action, token_issuer: tokenIssuer, token_id: tokenId };
  const claims: JsonObject = {
    iss: issuer,
    aud: audience,
    sub: subject,
    kind,
    jti: decisionId,
    iat,
    exp: iat + lifeSeconds,
    htm: method,
    htp: target,
    ...(scopes.length === 0 ? {} : { scope: [...scopes] }),
    ...(Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as JsonObject),
  };
  return signCompactJws("amesh-context+jwt", signer.publicJwk.kid, claims, signer.sign);
}
