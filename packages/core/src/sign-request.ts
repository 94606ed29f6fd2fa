import { crypto } from "#crypto";
import { formatAuthMeshHeader } from "./authorization-header.js";
import { toBase64Url } from "./encoding.js";
import { boundNonce } from "./host-binding.js";
import type { Random } from "./key-agreement.js";
import { hostOf, type OutgoingRequest, targetOf } from "./outgoing-request.js";
import { type SignableRequest, signableRequest } from "./signable.js";

export interface RequestSigner {
  /** The compressed public key of the device, or of its session, in standard base64. */
  readonly key: string;
  /** By that key: raw r‖s, 64 bytes. */
  readonly sign: (message: SignableRequest) => Promise<Uint8Array>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly random?: Random;
}

/**
 * The Authorization value that proves a request (docs/protocol.md, section 2), its nonce bound to the URL's host
 * and to how the body is to be read.
 *
 * @throws AmeshError `malformed_target` for a path that no verifier accepts
 */
export async function signRequest(request: OutgoingRequest, signer: RequestSigner): Promise<string> {
  const target = targetOf(request.url);
  const hasBody = request.body !== undefined && request.body.length > 0;
  const nonce = boundNonce(
    {
      host: hostOf(request.url),
      contentType: hasBody ? (request.contentType ?? "").trim() : "",
      contentEncoding: hasBody ? (request.contentEncoding ?? "").trim() : "",
    },
    signer.random,
  );
  const timestamp = String(Math.floor((signer.now ?? Date.now)() / 1000));
  const bodyHash = crypto.sha256Hex(request.body ?? "");
  const signature = await signer.sign(signableRequest(request.method, target, timestamp, nonce, bodyHash));
  return formatAuthMeshHeader(signer.key, timestamp, nonce, toBase64Url(signature));
}
