import { PublicKey, type Random, toBase64Url } from "@authmesh/core";
import { type EnrollmentRequest, requestDigest } from "@authmesh/core/enrollment";
import { type Enrollment, masterScopes } from "./enrollment.js";
import type { ClaimOfKey, RequestOrigin } from "./enrollments.js";
import { randomText } from "./random-text.js";

/** How long a request waits for somebody to decide, in seconds. */
const patience = 86_400;

const digits = "0123456789abcdefghijklmnopqrstuvwxyz";

/** In the order of their making, whatever a database takes for the order of texts. @param now Unix seconds */
export const newEnrollmentId = (random: Random, now: number): string =>
  `en_${now.toString(36).padStart(7, "0")}${randomText(random, digits, 9)}`;

/** @param now Unix seconds */
export function masterEnrollment(
  { account, publicKey, details, address }: ClaimOfKey,
  random: Random,
  now: number,
): Enrollment {
  return {
    id: newEnrollmentId(random, now),
    account,
    appName: details.appName,
    deviceName: details.deviceName,
    deviceId: publicKey.deviceId,
    publicKey: publicKey.base64,
    status: "approved",
    scopes: masterScopes,
    requested: { scopes: masterScopes },
    requestedAt: now,
    address,
    requestDigest: "",
    s: "",
    decidedAt: now,
    counter: 0,
    attestation: { status: "none" },
  };
}

/** @param now Unix seconds */
export function pendingEnrollment(
  request: EnrollmentRequest,
  { address, attestation }: RequestOrigin,
  random: Random,
  now: number,
): Enrollment {
  const { account, appName, deviceName, publicKey, scopes, lifetime } = request;
  return {
    id: newEnrollmentId(random, now),
    account,
    appName,
    deviceName,
    deviceId: PublicKey.fromBase64(publicKey).deviceId,
    publicKey,
    status: "pending",
    scopes,
    requested: { scopes, ...(lifetime === undefined ? {} : { lifetime }) },
    requestedAt: now,
    address,
    requestDigest: toBase64Url(requestDigest(request)),
    s: toBase64Url(random(32)),
    expiresAt: now + patience,
    counter: 0,
    attestation,
  };
}
