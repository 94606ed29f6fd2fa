import { PublicKey } from "@authmesh/core";
import { readChallengeAnswer } from "@authmesh/core/enrollment";
import { optional, record } from "@authmesh/core/records";
import type { Context } from "hono";
import { notApproved } from "../enrollment/approval.js";
import { authenticateAction, mintForEnrolled } from "../mint/mint-for-enrolled.js";
import { mintWish } from "../mint/mint-request.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { holdersEnrollment } from "./holder-routes.js";
import { jsonBody } from "./json-body.js";
import { whileFailuresAreFew } from "./proof-limits.js";
import { RateLimit } from "./rate-limit.js";
import { tokenResponse } from "./token-route.js";

const shape = record({ answer: readChallengeAnswer, token: optional(mintWish) });

/** `POST /v1/authentication` (docs/protocol.md, sections 10.3 and 10.6): a token for the answer to a challenge. */
export class AuthenticationRoute {
  readonly #services: Services;
  /** Wrong answers a minute. They count by address alone, so that nobody keeps another one's device out. */
  readonly #addresses: RateLimit;

  constructor(services: Services, addresses = new RateLimit(1200)) {
    this.#services = services;
    this.#addresses = addresses;
  }

  answer = async (context: Context): Promise<Response> => {
    const services = this.#services;
    const { answer, token } = await jsonBody(context, shape, "The request for a token");
    refuseWithoutAudit(services);
    const enrollment = await whileFailuresAreFew([[this.#addresses, services.addressOf(context)]], () =>
      holdersEnrollment(context, services, "authenticate", answer),
    );
    const { status, reason } = enrollment;
    if (status !== "approved") throw notApproved({ status, reason });
    services.uses.note(enrollment.id);
    const wish = token ?? { aud: services.issuer, act: authenticateAction };
    const key = PublicKey.fromBase64(enrollment.publicKey);
    return tokenResponse(context, await mintForEnrolled(services, enrollment, key, wish));
  };
}
