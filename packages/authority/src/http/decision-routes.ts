import { enrollmentLifetime, readRequestedScopes } from "@authmesh/core/enrollment";
import { Misfit, oneOf, optional, type Reader, reasonText, record } from "@authmesh/core/records";
import type { Context } from "hono";
import { suspectedClone } from "../enrollment/enrollment.js";
import type { EnrollmentDecision } from "../enrollment/enrollments.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { actorOf, enrollmentIdOf } from "./enrolled-caller.js";
import { jsonBody } from "./json-body.js";
import { readQuery } from "./query.js";
import { toldEnrollment } from "./told-enrollment.js";

type PostedType = Exclude<EnrollmentDecision["type"], "delete">;
type Said<T extends PostedType> = Omit<Extract<EnrollmentDecision, { readonly type: T }>, "id" | "type"> & {
  readonly dryRun?: boolean;
};

const yesOrNo = oneOf(true, false);
const dryRun = optional(yesOrNo);
/** One reason is the authority's own to give: what it locked so only a root takes back. */
const reason = optional((value, at) => {
  if (value === suspectedClone)
    throw new Misfit(`${at} is ${suspectedClone}, which the authority alone says`);
  return reasonText(value, at);
});
const lifetime = optional(enrollmentLifetime);

/** What is said with each decision (docs/protocol.md, section 10.7). */
const readers: { readonly [T in PostedType]: Reader<Said<T>> } = {
  approve: record({ scopes: optional(readRequestedScopes), lifetime, dryRun }),
  deny: record({ reason, dryRun }),
  revoke: record({ reason, cascade: optional(yesOrNo), dryRun }),
  unrevoke: record({ dryRun }),
  narrow: record({ scopes: readRequestedScopes, dryRun }),
  extend: record({ lifetime, dryRun }),
};

export const postedDecisions = Object.keys(readers) as readonly PostedType[];

/** `POST /v1/enrollments/ID/TYPE`, behind the verifier of enrolled devices and `__manage:w`. */
export async function answerDecision(
  context: Context,
  services: Services,
  type: PostedType,
): Promise<Response> {
  const reader: Reader<Said<PostedType>> = readers[type];
  const { dryRun, ...said } = await jsonBody(context, reader, "The decision");
  return decide(
    context,
    services,
    { ...said, type, id: enrollmentIdOf(context) } as EnrollmentDecision,
    dryRun,
  );
}

const deletionQuery = record({ dryRun: optional(oneOf("true", "false")) });

/** `DELETE /v1/enrollments/ID`, behind the same. */
export function answerDeletion(context: Context, services: Services): Promise<Response> {
  const { dryRun } = readQuery(context, deletionQuery);
  return decide(context, services, { type: "delete", id: enrollmentIdOf(context) }, dryRun === "true");
}

async function decide(
  context: Context,
  services: Services,
  decision: EnrollmentDecision,
  dryRun = false,
): Promise<Response> {
  refuseWithoutAudit(services);
  const changed = await services.enrollments.decide(actorOf(context, services), decision, dryRun);
  if (!dryRun) await services.tellChanges();
  const now = services.now() / 1000;
  // What was deleted is not there any more; what would be still is.
  const left = decision.type === "delete" && !dryRun ? [] : changed;
  const told = left.map((enrollment) => toldEnrollment(enrollment, now));
  return context.json({ enrollments: told }, 200, { "Cache-Control": "no-store" });
}
