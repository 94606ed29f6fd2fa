import { crypto } from "#crypto";
import { toBase64, toBase64Url } from "../encoding.js";
import type { Random } from "../key-agreement.js";
import { hostOf, type OutgoingRequest, targetOf } from "../outgoing-request.js";
import type { PublicKey } from "../public-key.js";
import { type SignableRequest, signableHttpMessage } from "../signable.js";
import { contentDigest } from "./content-digest.js";
import { mustCover, ourAlgorithm, ourTag } from "./profile.js";
import { type HttpMessage, readComponent, signatureParameters } from "./signature-base.js";

export interface HttpRequestSigner {
  /** The id of the device, also where a session key signs for it. A signer has this, or `publicKey`. */
  readonly deviceId?: string | undefined;
  /** The key that signs, where a token names that key and not a device (section 8.3). It goes by itself then. */
  readonly publicKey?: PublicKey | undefined;
  /** The Authorization header that is sent along and covered: that token. */
  readonly authorization?: string | undefined;
  /** By the device's key or its session's: raw r‖s, 64 bytes. */
  readonly sign: (message: SignableRequest) => Promise<Uint8Array>;
  /** The AuthMesh-Delegation value that is sent along, if a session key signs. */
  readonly delegation?: string | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  readonly random?: Random;
}

/** The headers that prove a request. Sent beside those that the request was given with. */
export interface HttpSignatureHeaders {
  readonly "Signature-Input": string;
  readonly Signature: string;
  /** Of the body, if there is one. */
  readonly "Content-Digest"?: string;
}

/** Seconds. Long enough for slow clocks, and a nonce store remembers no longer than it must. */
const lifetime = 60;
const label = "amesh";

function keyIdOf({ deviceId, publicKey }: HttpRequestSigner): string {
  const keyid = publicKey === undefined ? deviceId : toBase64Url(publicKey.bytes);
  if (keyid === undefined) throw new TypeError("A signer has a deviceId or a publicKey.");
  return keyid;
}

/**
 * Signs a request as RFC 9421 and the profile of docs/protocol.md, section 3, have it.
 *
 * @throws AmeshError `malformed_target` for a path that no verifier accepts, `malformed_header` for a Content-Type or
 *   Content-Encoding that is not ASCII
 */
export async function signHttpRequest(
  request: OutgoingRequest,
  signer: HttpRequestSigner,
): Promise<HttpSignatureHeaders> {
  const { method, url, body } = request;
  const hasBody = body !== undefined && body.length > 0;
  const digest = hasBody ? { "Content-Digest": contentDigest(body) } : {};
  const fields: Readonly<Record<string, string | undefined>> = {
    "content-digest": digest["Content-Digest"],
    "content-type": request.contentType,
    "content-encoding": request.contentEncoding,
    "authmesh-delegation": signer.delegation,
    authorization: signer.authorization,
  };
  const target = targetOf(url);
  const headers = (name: string) => [fields[name]].filter((value) => value !== undefined);
  const message: HttpMessage = { method: method.toUpperCase(), target, authority: hostOf(url), headers };

  const created = Math.floor((signer.now ?? Date.now)() / 1000);
  const parameters = new Map<string, string | number>([
    ["created", created],
    ["expires", created + lifetime],
    ["nonce", toBase64Url((signer.random ?? crypto.randomBytes)(16))],
    ["keyid", keyIdOf(signer)],
    ["alg", ourAlgorithm],
    ["tag", ourTag],
  ]);
  const covered = mustCover({ target, hasBody, headers });
  const names = signer.authorization === undefined ? covered : [...covered, "authorization"];
  const input = {
    components: names.map((name) => readComponent(name)),
    parameters,
  };
  const signature = await signer.sign(signableHttpMessage(message, input));
  return {
    ...digest,
    "Signature-Input": `${label}=${signatureParameters(input)}`,
    Signature: `${label}=:${toBase64(signature)}:`,
  };
}
