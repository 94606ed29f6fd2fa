import type { Decision } from "@authmesh/core";
import { type RefusalResponse, refusalResponse } from "./refusal-response.js";
import type { AuthMeshIdentity } from "./verify-options.js";

/** A request behind an adapter, and who called. */
export type Authenticated<Incoming> = Incoming & { readonly authMesh: AuthMeshIdentity };

/** What is left for an adapter to do: hand the request on with who called, or answer. */
export type Admission =
  | { readonly authMesh: AuthMeshIdentity; readonly refusal?: never }
  | { readonly authMesh?: never; readonly refusal: RefusalResponse };

/** The one place where a decision becomes what an application and its callers see. */
export function admissionOf(decision: Decision): Admission {
  if (!decision.allowed) return { refusal: refusalResponse(decision) };
  const { id, name, verifiedAt } = decision.caller;
  return { authMesh: { deviceId: id, friendlyName: name, verifiedAt } };
}
