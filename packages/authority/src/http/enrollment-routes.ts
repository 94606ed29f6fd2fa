import type { Hono, MiddlewareHandler } from "hono";
import type { Services } from "../services.js";
import { answerInvitations, answerInvite, answerPasscode, answerUninvite } from "./admission-routes.js";
import { answerAttestation } from "./attestation-route.js";
import { answerDecision, answerDeletion, postedDecisions } from "./decision-routes.js";
import { paths } from "./discovery.js";
import { answerEvents, answerList, answerSelf, answerShow } from "./enrollment-list-routes.js";
import type { EventStreams } from "./event-streams.js";
import { answerCancel, answerRotation, answerWait } from "./holder-routes.js";
import { boundedBody, boundedEvidence } from "./json-body.js";
import { answerRequest, passcodeLimits } from "./request-route.js";

export interface EnrollmentRoutesOptions {
  readonly services: Services;
  /** Lets enrolled devices through: any, those with `__manage:r`, those with `__manage:w`. */
  readonly gates: Readonly<Record<"any" | "reader" | "manager", MiddlewareHandler>>;
  readonly streams: EventStreams;
}

/** Requests, decisions and what admits to them (docs/protocol.md, sections 10.5 to 10.7). */
export function addEnrollmentRoutes(app: Hono, { services, gates, streams }: EnrollmentRoutesOptions): void {
  const { attestations, enrollments, passcodes, invitations } = paths;
  const { any, reader, manager } = gates;
  const limits = passcodeLimits();
  app.post(attestations, boundedEvidence, (context) => answerAttestation(context, services));
  app.post(enrollments, boundedEvidence, (context) => answerRequest(context, services, limits));
  app.post(`${enrollments}/wait`, boundedBody, (context) => answerWait(context, services, streams));
  app.post(`${enrollments}/cancel`, boundedBody, (context) => answerCancel(context, services));
  app.post(`${enrollments}/rotation`, boundedEvidence, (context) => answerRotation(context, services));

  app.get(enrollments, reader, (context) => answerList(context, services));
  app.get(`${enrollments}/events`, reader, (context) => answerEvents(context, services, streams));
  app.get(`${enrollments}/self`, any, (context) => answerSelf(context, services));
  app.get(`${enrollments}/:id`, reader, (context) => answerShow(context, services));
  for (const type of postedDecisions)
    app.post(`${enrollments}/:id/${type}`, manager, (context) => answerDecision(context, services, type));
  app.delete(`${enrollments}/:id`, manager, (context) => answerDeletion(context, services));

  app.post(passcodes, manager, (context) => answerPasscode(context, services));
  app.post(invitations, manager, (context) => answerInvite(context, services));
  app.get(invitations, manager, (context) => answerInvitations(context, services));
  app.delete(`${invitations}/:id`, manager, (context) => answerUninvite(context, services));
}
