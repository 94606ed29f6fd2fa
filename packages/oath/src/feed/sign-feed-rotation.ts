import {
  decodeUtf8,
  type JsonObject,
  signableFeedRotationProof,
  signableJws,
  toBase64Url,
} from "@authmesh/core";
import type { TokenSigner } from "../keys.js";

/**
 * Signs that one feed key takes the place of another (docs/protocol.md, section 9.2).
 *
 * @param of `notBefore` in Unix seconds; `seq` of the first rotation is 1
 */
export async function signFeedRotation(
  old: TokenSigner,
  next: TokenSigner,
  of: { readonly iss: string; readonly notBefore: number; readonly seq: number },
): Promise<string> {
  const names = { ...of, old: old.publicJwk.kid, next: next.publicJwk.kid };
  const payload: JsonObject = {
    ...of,
    old: names.old,
    new: { ...next.publicJwk },
    proof: toBase64Url(await next.sign(signableFeedRotationProof(names))),
  };
  const message = signableJws("amesh-feed-rotation+jwt", "EdDSA", names.old, payload);
  return `${decodeUtf8(message)}.${toBase64Url(await old.sign(message))}`;
}
