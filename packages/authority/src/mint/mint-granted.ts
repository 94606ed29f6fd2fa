import { AmeshError, type JsonObject, jwkOf, type PublicKey } from "@authmesh/core";
import { type MintedToken, thumbprint } from "@authmesh/oath";
import { record, type Services, tell } from "../services.js";
import { issueToken } from "./issue-token.js";
import type { MintRequest } from "./mint-request.js";

/** Who asks for a token, proven. */
export interface MintCaller {
  readonly deviceId: string;
  /** The key that signed the request: the device's, or its session key. */
  readonly requestKey: PublicKey;
}

/** What a token may be. */
export interface MintGrant {
  readonly tenant?: string;
  /** Seconds. */
  readonly ttl: number;
  /** A subject of the caller, who gets nothing while that is revoked. */
  readonly caller: string;
  /** Why, for the audit. */
  readonly by: JsonObject;
}

/**
 * Mints a token for a device, if that is granted and the audit has the event; a refusal is told to the audit, too.
 *
 * @param grant throws what refuses the request
 * @throws AmeshError `audit_unavailable`, and what `grant` and `issueToken` throw
 */
export async function mintGranted(
  services: Services,
  { deviceId, requestKey }: MintCaller,
  request: MintRequest & { readonly sub: string },
  grant: () => MintGrant | Promise<MintGrant>,
): Promise<MintedToken> {
  const { sub, aud, act, scope = [], env, reason, rqh, cnf } = request;
  const asked = { sub, aud, act, ...(scope.length > 0 && { scope }), ...(env !== undefined && { env }) };
  try {
    const { tenant, ttl, caller, by } = await grant();
    const jkt = cnf === "request-key" ? thumbprint(jwkOf(requestKey)) : cnf?.jkt;
    const minted = await issueToken(
      services,
      {
        ...asked,
        ...(tenant !== undefined && { tenant }),
        ...(reason !== undefined && { reason }),
        ...(rqh !== undefined && { rqh }),
        ...(jkt !== undefined && { cnf: { jkt } }),
      },
      ttl,
      caller,
    );
    const { jti, exp } = minted.claims;
    await record(services, {
      type: "dev.authmesh.token.minted",
      subject: deviceId,
      proven: true,
      data: {
        ...by,
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
