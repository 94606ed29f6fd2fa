import { crypto } from "#crypto";
import { isJsonObject, type JsonValue } from "./canonical-json.js";
import { type CompactJws, hasMembers, readCompactJws, signCompactJws } from "./compact-jws.js";
import { fromBase64Url, toBase64Url } from "./encoding.js";
import { AmeshError, type Failure, failure } from "./errors.js";
import { normalizeHost } from "./host-binding.js";
import type { Random } from "./key-agreement.js";
import { jwkOf } from "./public-jwk.js";
import type { PublicKey } from "./public-key.js";
import { publicKeyOfJwk } from "./read-public-key.js";
import { deviceIdForm } from "./records.js";
import type { SessionKey } from "./session-key.js";
import { type Sign, signableDelegationProof } from "./signable.js";

export interface DelegationOptions {
  /** The device: its key signs the delegation. */
  readonly device: { readonly publicKey: PublicKey; readonly sign: Sign };
  /** The key that is to sign requests. */
  readonly session: SessionKey;
  /** The only hosts at which it is to be good, each as `normalizeHost` writes it; 1 to 16. Default: everywhere. */
  readonly audience?: readonly string[] | undefined;
  /** 1 to 300. Default 300. */
  readonly lifetimeSeconds?: number | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  readonly random?: Random | undefined;
}

/** What a delegation says, read and not verified. */
export interface Delegation {
  /** The device that delegates, as it calls itself. */
  readonly deviceId: string;
  /** The key that signs requests in its place. */
  readonly sessionKey: PublicKey;
  /** Hosts; undefined where the delegation is good everywhere. */
  readonly audience: readonly string[] | undefined;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds; over when they are reached. */
  readonly expiresAt: number;
  /** Whether the device with this key signed it, and the session key agreed. Two verifications. */
  isSignedBy(deviceKey: PublicKey): boolean;
}

const typ = "amesh-delegation+jwt";
const longest = 2048;
const longestLife = 300;
const mostHosts = 16;
const jtiPattern = /^[\w-]{16,64}$/;

/**
 * The `AuthMesh-Delegation` value by which a device lets a session key sign requests for a while (docs/protocol.md,
 * section 4).
 *
 * @throws TypeError for a lifetime or an audience that no verifier accepts; what `sign` throws
 */
export async function createDelegation(options: DelegationOptions): Promise<string> {
  const { device, session, audience, lifetimeSeconds = longestLife } = options;
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1 || lifetimeSeconds > longestLife)
    throw new TypeError(`A delegation lives 1 to ${longestLife} seconds, not ${lifetimeSeconds}.`);
  if (audience !== undefined && !isAudience(audience))
    throw new TypeError(`audience: give 1 to ${mostHosts} hosts as normalizeHost writes them.`);
  const { deviceId } = device.publicKey;
  const iat = Math.floor((options.now ?? Date.now)() / 1000);
  const exp = iat + lifetimeSeconds;
  const jti = toBase64Url((options.random ?? crypto.randomBytes)(16));
  const pop = toBase64Url(session.sign(signableDelegationProof(deviceId, jti, exp)));
  const cnf = { jwk: jwkOf(session.publicKey) };
  const claims = { iss: deviceId, sub: deviceId, iat, exp, jti, cnf, pop };
  const payload = audience === undefined ? claims : { ...claims, aud: audience };
  const text = await signCompactJws(typ, deviceId, payload, device.sign);
  if (text.length > longest) throw new TypeError("audience: the names of the hosts are too long together.");
  return text;
}

/**
 * Reads an `AuthMesh-Delegation` value and checks its form. Whether it holds is for `isSignedBy`, the clock and the
 * trust store to say.
 *
 * @returns the delegation, or the failure `delegation_invalid`
 */
export function readDelegation(text: string): Delegation | Failure {
  const { jws, problem } = readCompactJws(text, typ, longest);
  return jws === undefined ? invalid(problem) : readClaims(jws);
}

function readClaims({ kid, payload, signingInput, signature }: CompactJws): Delegation | Failure {
  // A member that is not known here may be one that narrows what the session key may do.
  if (!hasMembers(payload, ["iss", "sub", "iat", "exp", "jti", "cnf", "pop"], ["aud"]))
    return invalid("its members are not exactly iss, sub, iat, exp, jti, cnf, pop and perhaps aud");
  const { iss, sub, iat, exp, jti, cnf, pop, aud } = payload;
  if (!deviceIdForm.test(kid) || iss !== kid || sub !== kid)
    return invalid("kid, iss and sub are not one device id");
  if (!isSeconds(iat) || !isSeconds(exp) || exp <= iat || exp - iat > longestLife)
    return invalid(`iat and exp are not Unix seconds, the second 1 to ${longestLife} above the first`);
  if (typeof jti !== "string" || !jtiPattern.test(jti))
    return invalid("jti is not 16 to 64 characters of base64url");
  if (aud !== undefined && !isAudience(aud)) return invalid("aud is not a list of 1 to 16 hosts");
  const proof = typeof pop === "string" ? fromBase64Url(pop) : undefined;
  if (proof?.length !== 64) return invalid("pop is not base64url of 64 bytes");
  const sessionKey = readSessionKey(cnf);
  if (sessionKey === undefined) return invalid("cnf is not exactly a jwk of kty, crv, x and y, on P-256");
  return {
    deviceId: kid,
    sessionKey,
    audience: aud,
    issuedAt: iat,
    expiresAt: exp,
    isSignedBy: (deviceKey) =>
      deviceKey.deviceId === kid &&
      deviceKey.verify(signingInput, signature) &&
      sessionKey.verify(signableDelegationProof(kid, jti, exp), proof),
  };
}

function readSessionKey(cnf: JsonValue | undefined): PublicKey | undefined {
  if (!isJsonObject(cnf) || !hasMembers(cnf, ["jwk"])) return undefined;
  const { jwk } = cnf;
  if (!isJsonObject(jwk) || !hasMembers(jwk, ["kty", "crv", "x", "y"])) return undefined;
  try {
    return publicKeyOfJwk(jwk);
  } catch (error) {
    if (error instanceof AmeshError) return undefined;
    throw error;
  }
}

const isSeconds = (value: JsonValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

const isAudience = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= mostHosts &&
  value.every((host) => typeof host === "string" && normalizeHost(host) === host);

const invalid = (why: string): Failure =>
  failure("delegation_invalid", `The delegation cannot be read: ${why}.`);
