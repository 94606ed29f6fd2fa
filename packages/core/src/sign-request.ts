import { crypto } from "#crypto";
import { formatAuthMeshHeader } from "./authorization-header.js";
import { toBase64Url } from "./encoding.js";
import { AmeshError } from "./errors.js";
import { boundNonce, withoutTrailingDot } from "./host-binding.js";
import type { Random } from "./key-agreement.js";
import { targetProblem } from "./request-target.js";
import { type SignableRequest, signableRequest } from "./signable.js";

/** A request as it will be sent. */
export interface OutgoingRequest {
  readonly method: string;
  /** Absolute; its `pathname + search` is signed and its host bound. */
  readonly url: URL;
  /** Raw body bytes, or text that is sent as UTF-8; empty or absent when no body is sent. */
  readonly body?: Uint8Array | string | undefined;
  /** The Content-Type that will be sent with the body; absent when none will be. */
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
}

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
  const { url } = request;
  const target = url.pathname + url.search;
  const problem = targetProblem(target);
  if (problem !== undefined)
    throw new AmeshError("malformed_target", `The path cannot be signed: ${problem}.`);
  const hasBody = request.body !== undefined && request.body.length > 0;
  const nonce = boundNonce(
    {
      // A verifier knows the Host header and not the scheme, and takes :80 for the default.
      host: withoutTrailingDot(url.port === "80" ? url.hostname : url.host),
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
