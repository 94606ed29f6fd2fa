import { AmeshError, type ErrorCode, fromBase64Url, PublicKey } from "@authmesh/core";
import {
  accountText,
  challengeText,
  publicKeyText,
  readAccountClaimDetails,
  signableClaimOf,
  signatureText,
} from "@authmesh/core/enrollment";
import { type Reader, type RecordOf, record, text } from "@authmesh/core/records";
import type { Context } from "hono";
import type { Enrollment } from "../enrollment/enrollment.js";
import type { ClaimOfKey } from "../enrollment/enrollments.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { jsonBody } from "./json-body.js";
import { type Counted, whileFailuresAreFew } from "./proof-limits.js";
import { RateLimit } from "./rate-limit.js";
import { toldEnrollment } from "./told-enrollment.js";

const publicKey: Reader<PublicKey> = (value, at) => PublicKey.fromBase64(publicKeyText(value, at));

const claimShape = {
  account: accountText,
  publicKey,
  challenge: challengeText,
  details: readAccountClaimDetails,
};

/** The two ways to claim an account: what is sent beside the claim, and what is done with it. */
const onboarding = record({ ...claimShape, s1: signatureText, s2: signatureText });
const recovery = record({ ...claimShape, code: text(/^.{1,64}$/su, "a code"), signature: signatureText });

type Said = Readonly<RecordOf<typeof claimShape>>;

/** What differs between the two. */
interface Way {
  readonly by: "onboard" | "recover";
  readonly refused: ErrorCode;
  /** By the device's key. */
  readonly signature: string;
  claim(claim: ClaimOfKey): Promise<Enrollment>;
}

/** Claims to accounts over HTTP (docs/protocol.md, section 10.4). */
export class ClaimRoutes {
  readonly #services: Services;
  /** Wrong proofs a minute. One account's bound what strangers can keep its row in the database busy with. */
  readonly #addresses = new RateLimit(60);
  readonly #accounts = new RateLimit(600);

  constructor(services: Services) {
    this.#services = services;
  }

  /** `POST /v1/onboarding` */
  onboard = async (context: Context): Promise<Response> => {
    const { s1, s2, ...said } = await jsonBody(context, onboarding, "The onboarding");
    const proof = fromBase64Url(s1) ?? new Uint8Array();
    return this.#answer(context, said, {
      by: "onboard",
      refused: "onboarding_refused",
      signature: s2,
      claim: (claim) => this.#services.enrollments.onboard(claim, proof),
    });
  };

  /** `POST /v1/recovery` */
  recover = async (context: Context): Promise<Response> => {
    const { code, signature, ...said } = await jsonBody(context, recovery, "The recovery");
    return this.#answer(context, said, {
      by: "recover",
      refused: "recovery_refused",
      signature,
      claim: (claim) => this.#services.enrollments.recover(claim, code),
    });
  };

  async #answer(context: Context, said: Said, way: Way): Promise<Response> {
    const services = this.#services;
    refuseWithoutAudit(services);
    const address = services.addressOf(context);
    const origin = services.dialled(context);
    const limits: readonly Counted[] = [
      [this.#addresses, address],
      [this.#accounts, said.account],
    ];
    const enrollment = await whileFailuresAreFew(limits, async () => {
      if (origin === undefined || !(await this.#holdsKey(said, way, origin)))
        throw new AmeshError(way.refused);
      return way.claim({ ...said, origin, address });
    });
    await services.tellChanges();
    const told = toldEnrollment(enrollment, services.now() / 1000);
    return context.json({ enrollment: told }, 201, { "Cache-Control": "no-store" });
  }

  /** Whether the claim was made now, by the device's key. */
  async #holdsKey(said: Said, { by, signature }: Way, origin: string): Promise<boolean> {
    const { publicKey, challenge } = said;
    const isFresh = await this.#services.challenges.use(by, publicKey.deviceId, challenge);
    const signed = signableClaimOf(by, { ...said, origin, publicKey: publicKey.bytes });
    return isFresh && publicKey.verify(signed, fromBase64Url(signature) ?? new Uint8Array());
  }
}
