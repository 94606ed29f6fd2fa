import { AmeshError, type PublicKey, readDelegation } from "@authmesh/core";
import type { Context } from "hono";
import { mintForDevice } from "../mint/mint-for-device.js";
import { readMintRequest } from "../mint/mint-request.js";
import type { Services } from "../services.js";

/** `POST /v1/token`, behind the device verifier. */
export async function answerToken(context: Context, services: Services): Promise<Response> {
  const { deviceId } = context.get("authMesh");
  const request = readMintRequest(new Uint8Array(await context.req.arrayBuffer()));
  const requestKey = requestKeyOf(context, services, deviceId);
  const { token, claims } = await mintForDevice(services, { deviceId, requestKey }, request);
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
function requestKeyOf(context: Context, { devices }: Services, deviceId: string): PublicKey {
  const text = context.req.header("authmesh-delegation");
  const delegation = text === undefined ? undefined : readDelegation(text);
  if (delegation !== undefined && !("code" in delegation)) return delegation.sessionKey;
  const device = devices.findById(deviceId, "controller");
  // Revoked since the verifier looked.
  if (device === undefined) throw new AmeshError("device_unknown", `${deviceId} is not known any more.`);
  return device.publicKey;
}
