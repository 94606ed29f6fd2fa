import { AmeshError, jwkOf, type PublicKey } from "@authmesh/core";
import { type MintedToken, thumbprint } from "@authmesh/oath";
import { record, type Services, tell } from "../services.js";
import { issueToken } from "./issue-token.js";
import type { MintRequest } from "./mint-request.js";
import { ownSubject } from "./mint-rules.js";

/** Who asks for a token, proven. */
export interface MintCaller {
  readonly deviceId: string;
  /** The key that signed the request: the device's, or its session key. */
  readonly requestKey: PublicKey;
}

/**
 * Mints a token for a device, if the policy grants what it asks for and the audit has the event; a refusal is told to
 * the audit, too.
 *
 * @throws AmeshError `mint_denied`, `audit_unavailable`, and what `issueToken` throws
 */
export async function mintForDevice(
  services: Services,
  { deviceId, requestKey }: MintCaller,
  request: MintRequest,
): Promise<MintedToken> {
  const { sub = ownSubject(deviceId), aud, act, scope = [], env, reason, rqh, ttl, cnf } = request;
  const asked = { sub, aud, act, ...(scope.length > 0 && { scope }), ...(env !== undefined && { env }) };
  try {
    const verdict = services.policy().mint({
      caller: deviceId,
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
    const jkt = cnf === "request-key" ? thumbprint(jwkOf(requestKey)) : cnf?.jkt;
    const minted = await issueToken(
      services,
      {
        ...asked,
        ...(reason !== undefined && { reason }),
        ...(rqh !== undefined && { rqh }),
        ...(jkt !== undefined && { cnf: { jkt } }),
      },
      verdict.ttl,
      ownSubject(deviceId),
    );
    const { jti, exp } = minted.claims;
    await record(services, {
      type: "dev.authmesh.token.minted",
      subject: deviceId,
      proven: true,
      data: {
        rule: verdict.rule,
        token: { ...asked, jti, exp, ...(rqh && { rqh }), ...(jkt && { cnf: { jkt } }) },
      },
    });
    services.metrics.add("tokens_total", "mint");
    return minted;
  } catch (error) {
    if (error instanceof AmeshError)
      tell(services, {
        type: "dev.authmesh.token.refused",
        subject: deviceId,
        proven: true,
        data: { code: error.code, detail: error.message, asked },
      });
    throw error;
  }
}
