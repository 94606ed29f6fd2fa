import { AmeshError } from "@authmesh/core";
import { readToken, type TokenClaims } from "@authmesh/oath";
import type { Context } from "hono";
import { revocables } from "../mint/issue-token.js";
import type { Services } from "../services.js";
import { enrolledCaller } from "./enrolled-caller.js";

/** How far clocks may differ, in seconds. */
const leeway = 30;

/**
 * `POST /v1/introspect` (RFC 7662), behind the device verifier: whether a token is one of ours, lives, and was not
 * revoked. It uses no token up, and knows nothing of those that were. An enrolled device learns of its own account's alone.
 */
export async function answerIntrospect(context: Context, services: Services): Promise<Response> {
  const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  const tokens = new URLSearchParams(await context.req.text()).getAll("token");
  const [token] = tokens;
  if (type !== "application/x-www-form-urlencoded" || token === undefined || tokens.length !== 1)
    throw new AmeshError("authority_request_invalid", "The body is not a form with one parameter token.", {
      fix: "Send token=TOKEN as application/x-www-form-urlencoded (RFC 7662).",
    });
  const claims = await activeClaims(token, services);
  const headers = { "Cache-Control": "no-store" };
  if (claims === undefined || !isFor(context, services, claims))
    return context.json({ active: false }, 200, headers);
  const { scope, ...others } = claims;
  const told = { active: true, token_type: "OathMesh", ...others, ...(scope && { scope: scope.join(" ") }) };
  return context.json(told, 200, headers);
}

function isFor(context: Context, services: Services, { tenant }: TokenClaims): boolean {
  const isPaired = services.devices.findById(context.get("authMesh").deviceId, "controller") !== undefined;
  return isPaired || enrolledCaller(context, services).enrollment.account === tenant;
}

async function activeClaims(
  token: string,
  { issuer, keys, store, now }: Services,
): Promise<TokenClaims | undefined> {
  const { header, claims, problem } = readToken(token);
  if (problem !== undefined || header === undefined || claims?.iss !== issuer) return undefined;
  const key = keys.find(header.kid);
  if (key === undefined || key.alg !== header.alg) return undefined;
  const end = token.lastIndexOf(".");
  const signature = Buffer.from(token.slice(end + 1), "base64url");
  if (!key.verify(Buffer.from(token.slice(0, end)), signature)) return undefined;
  const seconds = Math.floor(now() / 1000);
  const begins = Math.max(claims.iat, claims.nbf ?? 0);
  if (claims.exp <= seconds || begins > seconds + leeway) return undefined;
  const revoked = await store.findRevoked(revocables({ ...claims, kid: header.kid }), seconds);
  return revoked === undefined ? claims : undefined;
}
