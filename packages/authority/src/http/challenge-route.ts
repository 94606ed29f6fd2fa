import { readChallengeRequest } from "@authmesh/core/enrollment";
import type { Context } from "hono";
import { challengeLife } from "../challenges/challenges.js";
import type { Services } from "../services.js";
import { jsonBody } from "./json-body.js";

/** `POST /v1/challenges` (docs/protocol.md, section 10.3): to everybody, whether or not the device is known. */
export async function answerChallenge(context: Context, { challenges }: Services): Promise<Response> {
  const { purpose, device } = await jsonBody(context, readChallengeRequest, "The request for a challenge");
  const challenge = challenges.issue(purpose, device);
  return context.json({ challenge, expiresIn: challengeLife }, 200, { "Cache-Control": "no-store" });
}
