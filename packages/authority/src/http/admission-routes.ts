import { AmeshError } from "@authmesh/core";
import { enrollmentLifetime, invitationUses, readRequestedScopes } from "@authmesh/core/enrollment";
import { oneOf, optional, record } from "@authmesh/core/records";
import type { Context } from "hono";
import { refuseWithoutAudit, type Services } from "../services.js";
import { actorOf } from "./enrolled-caller.js";
import { jsonBody } from "./json-body.js";
import { toldInvitation } from "./told-enrollment.js";

const noStore = { "Cache-Control": "no-store" };
const weekSeconds = 604_800;

/** `POST /v1/passcodes` (docs/protocol.md, section 10.5), behind the verifier of enrolled devices and `__manage:w`. */
export async function answerPasscode(context: Context, services: Services): Promise<Response> {
  refuseWithoutAudit(services);
  const created = await services.enrollments.createPasscode(actorOf(context, services));
  return context.json(created, 201, noStore);
}

const invitation = record({
  scopes: readRequestedScopes,
  uses: optional(invitationUses),
  lifetime: optional(enrollmentLifetime),
  autoApprove: optional(oneOf(true, false)),
});

/** `POST /v1/invitations`, behind the same. */
export async function answerInvite(context: Context, services: Services): Promise<Response> {
  const {
    scopes,
    uses = 1,
    lifetime = weekSeconds,
    autoApprove = false,
  } = await jsonBody(context, invitation, "The invitation");
  refuseWithoutAudit(services);
  const of = { scopes, uses, lifetime, autoApprove };
  const created = await services.enrollments.createInvitation(actorOf(context, services), of);
  const { id, expiresAt } = created.invitation;
  return context.json({ id, invitation: created.secret, expiresAt }, 201, noStore);
}

/** `GET /v1/invitations`, behind the same. */
export async function answerInvitations(context: Context, services: Services): Promise<Response> {
  const invitations = await services.enrollments.invitations(actorOf(context, services));
  return context.json({ invitations: invitations.map(toldInvitation) }, 200, noStore);
}

/** `DELETE /v1/invitations/ID`, behind the same. */
export async function answerUninvite(context: Context, services: Services): Promise<Response> {
  const id = context.req.param("id") ?? "";
  if (!/^in_[\w-]{16}$/.test(id)) throw new AmeshError("enrollment_not_found");
  refuseWithoutAudit(services);
  await services.enrollments.deleteInvitation(actorOf(context, services), id);
  return context.json({ id }, 200, noStore);
}
