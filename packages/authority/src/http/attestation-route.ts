import { readAttestationClaim } from "@authmesh/core/enrollment";
import type { Context } from "hono";
import { challengeLife } from "../challenges/challenges.js";
import type { Services } from "../services.js";
import { jsonBody } from "./json-body.js";

/** `POST /v1/attestations` (docs/protocol.md, section 10.10): to everybody, whether or not the key is known. */
export async function answerAttestation(context: Context, { attestations }: Services): Promise<Response> {
  const { publicKey, claim } = await jsonBody(context, readAttestationClaim, "The claim of an attestation");
  const asked = attestations.question(publicKey, claim);
  return context.json({ ...asked, expiresIn: challengeLife }, 200, { "Cache-Control": "no-store" });
}
