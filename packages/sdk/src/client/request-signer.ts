import type { HttpRequestSigner, PublicKey, RequestSigner, Sign } from "@authmesh/core";
import type { KeyStore } from "@authmesh/keystore";

/** What a client signs with: an opened identity, or anything else that holds a P-256 key. */
export interface ClientIdentity {
  readonly publicKey: PublicKey;
  readonly sign: Sign;
  /** Says of an opened identity where its key lives, and so whether sessions are worth their while. */
  readonly keyStore?: Pick<KeyStore, "info">;
}

/** Signs one request: with the device's key, or with a session key and the delegation that makes it one. */
export type ClientSigner = Pick<RequestSigner, "key" | "sign"> &
  Pick<HttpRequestSigner, "deviceId" | "delegation">;

/** Where a client gets its signers from. */
export interface SignerSource {
  /** The signer of the request that is to be signed now, at once; a promise only where there is none yet. */
  current(): ClientSigner | Promise<ClientSigner>;
  close(): void;
}

export const closedClient = () => new TypeError("This amesh client was closed.");

/** Every request is signed by the device's own key. */
export function signDirectly({ publicKey, sign }: ClientIdentity): SignerSource {
  const signer = { key: publicKey.base64, deviceId: publicKey.deviceId, sign };
  return { current: () => signer, close: () => {} };
}
