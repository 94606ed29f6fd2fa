import { decodeUtf8, type JsonObject, signableJws, toBase64Url } from "@authmesh/core";
import type { TokenSigner } from "../keys.js";
import type { FeedStatement } from "./feed-statement.js";

/**
 * Signs a statement of a feed (docs/protocol.md, section 9.2).
 *
 * @param signer with the feed key, an Ed25519 key that signs nothing else
 */
export async function signFeedStatement(signer: TokenSigner, statement: FeedStatement): Promise<string> {
  const payload = Object.fromEntries(
    Object.entries(statement).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? toBase64Url(value) : value,
    ]),
  ) as JsonObject;
  const message = signableJws("amesh-feed+jwt", "EdDSA", signer.publicJwk.kid, payload);
  return `${decodeUtf8(message)}.${toBase64Url(await signer.sign(message))}`;
}
