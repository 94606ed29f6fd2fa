import { AmeshError, fromBase64Url, PublicKey } from "@authmesh/core";
import {
  type EnrollmentRequest,
  readAskedScopes,
  readAttestationEvidence,
  readEnrollmentRequest,
  signableRequestOf,
  signatureText,
} from "@authmesh/core/enrollment";
import { optional, type Reader, record, text } from "@authmesh/core/records";
import type { Context } from "hono";
import { hasFormOfPasscode } from "../enrollment/passcode.js";
import { WrongEntries } from "../enrollment/wrong-entries.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { jsonBody } from "./json-body.js";
import { type Counted, whileFailuresAreFew } from "./proof-limits.js";
import { toldAttestation } from "./told-enrollment.js";

/** Wrong passcodes a minute, after which none is looked at (docs/protocol.md, section 10.5). */
export const passcodeLimits = () => ({ account: new WrongEntries(5), address: new WrongEntries(20) });

export type PasscodeLimits = Readonly<Record<"account" | "address", WrongEntries>>;

/** Seconds that a request's clock may be off. */
const mostClockSkew = 300;

/** One that somebody could approve. */
const request: Reader<EnrollmentRequest> = (value, at) => {
  const request = readEnrollmentRequest(value, at);
  readAskedScopes(request.scopes, `${at}.scopes`);
  return request;
};

const shape = record({
  request,
  signature: signatureText,
  passcode: text(/^[\w-]{1,64}$/, "a passcode or an invitation"),
  attestation: optional(readAttestationEvidence),
});

/** `POST /v1/enrollments` (docs/protocol.md, section 10.6): of everybody who has a passcode. */
export async function answerRequest(
  context: Context,
  services: Services,
  limits: PasscodeLimits,
): Promise<Response> {
  const address = services.addressOf(context);
  const { request, signature, passcode, attestation } = await jsonBody(
    context,
    shape,
    "The request for an enrollment",
  );
  checkRequest(request, signature, services.dialled(context), services.now() / 1000);
  refuseWithoutAudit(services);
  const ofAddress: Counted = [limits.address, address];
  // Strangers who guess at an account's passcodes keep nobody out who was invited: that cannot be guessed.
  const counted: readonly Counted[] = hasFormOfPasscode(passcode)
    ? [[limits.account, request.account], ofAddress]
    : [ofAddress];
  const enrollment = await whileFailuresAreFew(counted, async () =>
    services.enrollments.request(request, passcode, {
      address,
      attestation: await services.attestations.judge(request.publicKey, attestation),
    }),
  );
  await services.tellChanges();
  const { id, status, s } = enrollment;
  return context.json({ id, status, s, ...toldAttestation(enrollment) }, 202, {
    "Cache-Control": "no-store",
  });
}

function checkRequest(
  request: EnrollmentRequest,
  signature: string,
  dialled: string | undefined,
  now: number,
): void {
  const problem = problemOf(request, signature, dialled, now);
  if (problem !== undefined)
    throw new AmeshError("authority_request_invalid", `The request for an enrollment: ${problem}.`, {
      fix: "Ask anew with `amesh enroll request`, by the URL that the authority is known by and with the clock set.",
    });
}

function problemOf(
  request: EnrollmentRequest,
  signature: string,
  dialled: string | undefined,
  now: number,
): string | undefined {
  if (request.origin !== dialled) return `it was signed for another origin than ${dialled ?? "this one"}`;
  if (Math.abs(request.issuedAt - now) > mostClockSkew)
    return `issuedAt is more than ${mostClockSkew} s from the authority's clock`;
  const bytes = fromBase64Url(signature);
  const key = PublicKey.fromBase64(request.publicKey);
  if (bytes === undefined || !key.verify(signableRequestOf(request), bytes))
    return "the signature is not that of its key";
  return undefined;
}
