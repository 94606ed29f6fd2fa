import { canonicalJson, type JsonValue } from "./canonical-json.js";
import { canonicalString } from "./canonical-string.js";
import { concatBytes, toBase64Url, utf8 } from "./encoding.js";
import { type HttpMessage, type SignatureInput, signatureBase } from "./http-signature/signature-base.js";

/**
 * Everything a device key signs is built in this module and begins with a prefix of the closed list of
 * docs/protocol.md, section 1. The type is the guard: a key store signs only a `Signable`, and only this module
 * makes one, so that no peer ever gets bytes of its choosing signed.
 */
export type Signable = Uint8Array & { readonly [forDevices]: true };
declare const forDevices: unique symbol;

/** What a session key signs, a shorter list: no JWS is on it, so that a session key delegates nothing. */
export type SessionSignable = Uint8Array & { readonly [forSessions]: true };
declare const forSessions: unique symbol;

/** A request: signed by a device's key, or by a session key in its place. */
export type SignableRequest = Signable & SessionSignable;

/** The `typ` of every JWS that a device key signs, or the key of a program that vouches for one. */
export type JwsType =
  | "amesh-bootstrap+jwt"
  | "amesh-checkpoint+jwt"
  | "amesh-context+jwt"
  | "amesh-delegation+jwt"
  | "amesh-revocation+jwt"
  | "amesh-succession+jwt"
  | "amesh-feed+jwt"
  | "amesh-feed-rotation+jwt"
  | "om+jwt";

/** Signs with a device's key: raw r‖s, 64 bytes, low-S. */
export type Sign = (message: Signable) => Promise<Uint8Array>;

const signable = <Kind extends Signable | SessionSignable>(bytes: Uint8Array): Kind => bytes as Kind;

/** The role a device plays in one pairing: the controller calls, the target is called. */
export type Role = "controller" | "target";

/** An HTTP request of protocol version 1 (section 2); `bodyHash` is lower-case hex. */
export function signableRequest(
  method: string,
  target: string,
  timestamp: string,
  nonce: string,
  bodyHash: string,
): SignableRequest {
  return signable(utf8(canonicalString(method, target, timestamp, nonce, bodyHash)));
}

/**
 * The signature base of an HTTP message (section 3); it begins with `"`.
 *
 * @throws AmeshError `malformed_header` for a component that the message does not have, or that is not ASCII
 */
export const signableHttpMessage = (message: HttpMessage, input: SignatureInput): SignableRequest =>
  signable(utf8(signatureBase(message, input)));

/** A device's identity in a pairing (section 5): role, transcript hash, hash of what it says of itself. */
export function signablePairingIdentity(role: Role, transcript: Uint8Array, statement: Uint8Array): Signable {
  return signable(concatBytes(utf8(`amesh/pair/1 identity${role}`), transcript, statement));
}

/** What a device answers a challenge with (section 10.3); `challenge` as it came. */
export const signableChallenge = (of: {
  readonly origin: string;
  readonly purpose: string;
  readonly deviceId: string;
  readonly challenge: string;
  readonly counter: number;
}): Signable =>
  signable(
    utf8(`amesh/challenge/1\n${of.origin}\n${of.purpose}\n${of.deviceId}\n${of.challenge}\n${of.counter}`),
  );

/** A claim to an account, by its first secret or by a recovery code (section 10.4). */
export const signableAccountClaim = (
  by: "onboard" | "recover",
  of: {
    readonly origin: string;
    readonly account: string;
    readonly challenge: string;
    readonly publicKey: Uint8Array;
    /** SHA-256 of the details' canonical JSON. */
    readonly details: Uint8Array;
  },
): Signable =>
  signable(
    utf8(
      `amesh/${by}/1\n${of.origin}\n${of.account}\n${of.challenge}\n${toBase64Url(of.publicKey)}\n${toBase64Url(of.details)}`,
    ),
  );

/** A request for an enrollment (section 10.6). */
export const signableEnrollmentRequest = (origin: string, request: JsonValue): Signable =>
  signable(concatBytes(utf8(`amesh/enroll/1 request\n${origin}\n`), utf8(canonicalJson(request))));

/** The signing input of a compact JWS (RFC 7515, 5.1); it begins with `eyJ`. A device's key is one of ES256. */
export function signableJws(typ: JwsType, alg: "ES256" | "EdDSA", kid: string, payload: JsonValue): Signable {
  const [header, content] = [{ typ, alg, kid }, payload].map((part) =>
    toBase64Url(utf8(canonicalJson(part))),
  );
  return signable(utf8(`${header}.${content}`));
}

/** By which a feed key shows that it takes the place of another one (section 9.2); `notBefore` in Unix seconds. */
export const signableFeedRotationProof = (of: {
  readonly iss: string;
  /** Thumbprints. */
  readonly old: string;
  readonly next: string;
  readonly notBefore: number;
  readonly seq: number;
}): Signable =>
  signable(utf8(`amesh/feed-rotation/1\n${of.iss}\n${of.old}\n${of.next}\n${of.notBefore}\n${of.seq}`));

/** By which a session key shows that it takes part in a delegation (section 4); `expiresAt` in Unix seconds. */
export function signableDelegationProof(deviceId: string, jti: string, expiresAt: number): SessionSignable {
  return signable(utf8(`amesh/delegation/1\n${deviceId}\n${jti}\n${expiresAt}`));
}

/** A request that no verifier accepts (its timestamp is 0), to see whether a key store signs at all. */
export function signableProbe(): SignableRequest {
  return signableRequest("GET", "/", "0", "", "");
}
