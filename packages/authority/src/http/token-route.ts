import { AmeshError, type PublicKey, readDelegation, type TrustedDevice } from "@authmesh/core";
import type { MintedToken } from "@authmesh/oath";
import type { Context } from "hono";
import { mintForDevice } from "../mint/mint-for-device.js";
import { mintForEnrolled } from "../mint/mint-for-enrolled.js";
import { readMintRequest } from "../mint/mint-request.js";
import type { Services } from "../services.js";

/** `POST /v1/token`, behind the device verifier: the policy decides for a paired device, its scopes for an enrolled one. */
export async function answerToken(context: Context, services: Services): Promise<Response> {
  const { deviceId } = context.get("authMesh");
  const request = readMintRequest(new Uint8Array(await context.req.arrayBuffer()));
  const { devices, enrolled } = services;
  const paired = devices.findById(deviceId, "controller");
  if (paired !== undefined) {
    const caller = { deviceId, requestKey: requestKeyOf(context, paired) };
    return tokenResponse(context, await mintForDevice(services, caller, request));
  }
  const device = enrolled.findById(deviceId, "controller");
  // Revoked since the verifier looked.
  if (device === undefined) throw new AmeshError("device_unknown", `${deviceId} is not known any more.`);
  const requestKey = requestKeyOf(context, device);
  return tokenResponse(context, await mintForEnrolled(services, device.enrollment, requestKey, request));
}

/** A token, as both endpoints that mint answer (docs/protocol.md, section 8.9). */
export function tokenResponse(context: Context, { token, claims }: MintedToken): Response {
  const { iat, exp, sub, aud, act, scope, jti } = claims;
  return context.json(
    {
      token,
      token_type: "OathMesh",
      expires_in: exp - iat,
      sub,
      aud,
      act,
      jti,
      ...(scope === undefined ? {} : { scope }),
    },
    200,
    { "Cache-Control": "no-store" },
  );
}

/** The verifier has let the request pass, so that a delegation beside it holds. */
function requestKeyOf(context: Context, device: TrustedDevice): PublicKey {
  const text = context.req.header("authmesh-delegation");
  const delegation = text === undefined ? undefined : readDelegation(text);
  if (delegation !== undefined && !("code" in delegation)) return delegation.sessionKey;
  return device.publicKey;
}
