import {
  AmeshError,
  coversScopes,
  formatScopes,
  type PublicKey,
  parseRequirement,
  parseScopes,
  quoteForeign,
  requirementOfAction,
  type Scopes,
} from "@authmesh/core";
import { enrolledSubject } from "@authmesh/core/enrollment";
import type { MintedToken } from "@authmesh/oath";
import { type Enrollment, hasLapsed } from "../enrollment/enrollment.js";
import type { Services } from "../services.js";
import { mintGranted } from "./mint-granted.js";
import type { MintRequest } from "./mint-request.js";

/** What a device that proves who it is may say to the authority itself without a scope. */
export const authenticateAction = "amesh.authenticate";

const defaultTtl = 120;

/**
 * Mints a token for an enrolled device: of its own subject, within its scopes and to its end (docs/protocol.md, section 10.8). Its
 * enrollment is read anew, so that a revocation holds from its answer on, at every replica.
 *
 * @param enrolled as whoever calls knows it, which may be behind
 * @param requestKey that signed the request: the device's, or its session key
 * @throws AmeshError `mint_denied`, `enrollment_revoked` where it ended meanwhile, and what `mintGranted` throws
 */
export function mintForEnrolled(
  services: Services,
  enrolled: Pick<Enrollment, "account" | "id" | "deviceId" | "appName" | "deviceName">,
  requestKey: PublicKey,
  request: MintRequest,
): Promise<MintedToken> {
  const { account, id, deviceId, appName, deviceName } = enrolled;
  const own = enrolledSubject(account, appName, deviceName);
  const { sub = own, ttl = defaultTtl } = request;
  return mintGranted(services, { deviceId, requestKey }, { ...request, sub }, async () => {
    const { scopes, expiresAt = Number.POSITIVE_INFINITY } = await stillApproved(services, enrolled);
    const problem = beyond(scopes, own, { ...request, sub }, services.issuer);
    if (problem !== undefined) throw new AmeshError("mint_denied", `${problem}.`, { fix });
    const left = expiresAt - Math.floor(services.now() / 1000);
    return { tenant: account, ttl: Math.min(ttl, left), caller: own, by: { enrollment: id } };
  });
}

const fix =
  "See what this machine was granted: `amesh enroll show self`. A machine that may approve can enroll it with more.";

async function stillApproved(
  { enrollmentStore, now }: Services,
  { account, id, deviceId }: Pick<Enrollment, "account" | "id" | "deviceId">,
): Promise<Enrollment> {
  const enrollment = await enrollmentStore.readEnrollment(account, id);
  const isStanding =
    enrollment?.status === "approved" &&
    enrollment.deviceId === deviceId &&
    !hasLapsed(enrollment, now() / 1000);
  if (enrollment !== undefined && isStanding) return enrollment;
  throw new AmeshError("enrollment_revoked", "The enrollment ended since the caller was let in.");
}

/** What of a request goes beyond these scopes. */
function beyond(
  scopes: Scopes,
  own: string,
  { sub, aud, act, scope = [], env }: MintRequest,
  issuer: string,
): string | undefined {
  if (sub !== own) return `The subject of an enrolled device's tokens is ${own}`;
  if (env !== undefined) return "An enrolled device's tokens have no env";
  if (!(act === authenticateAction && aud === issuer)) {
    const requirement = requirementOfAction(act);
    if (requirement === undefined)
      return `${quoteForeign(act)} is no action NAME.VERB that a scope could allow`;
    if (!parseRequirement(requirement)(scopes)) return `The action ${act} needs ${requirement}`;
  }
  const wider = scope.find((text) => !coversGrant(scopes, text));
  return wider === undefined
    ? undefined
    : `The scope ${quoteForeign(wider)} is no grant such as orders:rw that this device holds`;
}

function coversGrant(scopes: Scopes, text: string): boolean {
  try {
    const grant = parseScopes(text);
    const isOne = Object.keys(grant).length === 1 && formatScopes(grant) === text;
    return isOne && coversScopes(scopes, grant);
  } catch (error) {
    if (error instanceof AmeshError) return false;
    throw error;
  }
}
