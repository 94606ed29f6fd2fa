import { Ed25519PrivateKey, toBase64Url, utf8 } from "@authmesh/core";
import { audience, issuer, noon, signer } from "./token-fixture.js";

export const kid = signer.publicJwk.kid;
/** The issuer's own key: what is wrong with these tokens is never that somebody else signed them. */
const key = Ed25519PrivateKey.fromSeed(new Uint8Array(32).fill(7));

export const goodHeader = { alg: "EdDSA", kid, typ: "om+jwt" };
export const goodPayload = {
  iss: issuer,
  sub: "svc://billing/worker",
  aud: audience,
  act: "orders.write",
  iat: noon,
  exp: noon + 120,
  jti: "jti-of-a-forged-token",
};

export const part = (content: string | Uint8Array) =>
  toBase64Url(typeof content === "string" ? utf8(content) : content);
const text = (content: object | string) => (typeof content === "string" ? content : JSON.stringify(content));

export interface Forged {
  /** Objects, or the very text. */
  readonly header?: object | string;
  readonly payload?: object | string;
  /** Changes what the issuer's key signed, or stands in its place. */
  readonly signature?: (signature: Uint8Array, signingInput: Uint8Array) => Uint8Array;
}

/** A token as an issuer that goes wrong would sign it. */
export function forge({ header = goodHeader, payload = goodPayload, signature }: Forged = {}): string {
  const signingInput = `${part(text(header))}.${part(text(payload))}`;
  const right = Uint8Array.from(key.sign(utf8(signingInput)));
  return `${signingInput}.${part(signature?.(right, utf8(signingInput)) ?? right)}`;
}

/** With members changed; one that is undefined is left out. */
export const withClaims = (changes: object): string => forge({ payload: { ...goodPayload, ...changes } });
export const withHeader = (changes: object): string => forge({ header: { ...goodHeader, ...changes } });
/** With a member as this very text. */
export const withRawClaim = (name: string, value: string): string => {
  const { [name as "exp"]: _, ...others } = goodPayload;
  return forge({ payload: JSON.stringify(others).replace(/}$/, `,"${name}":${value}}`) });
};
