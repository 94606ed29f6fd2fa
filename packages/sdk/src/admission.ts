import type { Decision, IncomingRequest } from "@authmesh/core";
import { type RefusalResponse, refusalResponse } from "./refusal-response.js";
import { createRequestGuard } from "./request-guard.js";
import { admitDevice } from "./token/route-guard.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

/** What a request gains by which an application knows who called. */
export interface DeviceGrant {
  readonly authMesh: AuthMeshIdentity;
}

/** A request behind an adapter, and who called. */
export type Authenticated<Incoming> = Incoming & DeviceGrant;

/** What is left for an adapter to do: hand the request on with what it gained, or answer. */
export type Admission<Grant extends object> =
  | { readonly grant: Grant; readonly refusal?: never }
  | { readonly grant?: never; readonly refusal: RefusalResponse };

/** Says of each request what an adapter has to do with it. Never rejects. */
export type Gate<Grant extends object> = (request: IncomingRequest) => Promise<Admission<Grant>>;

/** The one place where a decision becomes what an application and its callers see. */
export function admissionOf(decision: Decision): Admission<DeviceGrant> {
  if (!decision.allowed) return { refusal: refusalResponse(decision) };
  const { id, name, scopes, verifiedAt } = decision.caller;
  const authMesh = { deviceId: id, friendlyName: name, scopes, verifiedAt, decisionId: decision.id };
  return { grant: { authMesh } };
}

/** Lets in the requests of trusted devices. @throws TypeError for options that make no sense */
export function deviceGate(options: VerifyOptions = {}): Gate<DeviceGrant> {
  const guard = createRequestGuard(options);
  return async (request) => {
    const decision = await guard.decide(request);
    const admission = admissionOf(decision);
    if (decision.allowed && admission.grant !== undefined)
      admitDevice(admission.grant.authMesh, (why) => refusalResponse(guard.refuse(decision, why, request)));
    return admission;
  };
}
