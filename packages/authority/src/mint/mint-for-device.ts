import { AmeshError } from "@authmesh/core";
import type { MintedToken } from "@authmesh/oath";
import type { Services } from "../services.js";
import { type MintCaller, mintGranted } from "./mint-granted.js";
import type { MintRequest } from "./mint-request.js";
import { ownSubject } from "./mint-rules.js";

/**
 * Mints a token for a paired device, if the policy grants what it asks for (docs/protocol.md, section 8.9).
 *
 * @throws AmeshError `mint_denied`, and what `mintGranted` throws
 */
export function mintForDevice(
  services: Services,
  caller: MintCaller,
  request: MintRequest,
): Promise<MintedToken> {
  const own = ownSubject(caller.deviceId);
  const { sub = own, aud, act, scope = [], env, rqh, ttl, cnf } = request;
  return mintGranted(services, caller, { ...request, sub }, () => {
    const verdict = services.policy().mint({
      caller: caller.deviceId,
      subject: sub,
      audience: aud,
      action: act,
      scope,
      env,
      ttl,
      hasRequestHash: rqh !== undefined,
      hasProof: cnf !== undefined,
    });
    if (!verdict.granted) throw new AmeshError("mint_denied", verdict.detail, { fix: verdict.fix });
    return { ttl: verdict.ttl, caller: own, by: { rule: verdict.rule } };
  });
}
