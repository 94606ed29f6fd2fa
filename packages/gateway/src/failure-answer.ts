import { type Failure, problemDocument, problemType } from "@authmesh/core";
import type { Answer } from "./admit/admission.js";

/**
 * What a caller reads of a failure of the gateway itself (docs/protocol.md, section 14.6).
 *
 * @param decision id of the decision that let the request in, if there was one
 */
export function failureAnswer(told: Failure, decision?: string): Answer {
  return {
    status: told.status,
    headers: {
      "Content-Type": problemType,
      "Cache-Control": "no-store",
      ...(decision === undefined ? {} : { "AuthMesh-Decision": decision }),
      ...(told.status === 503 ? { "Retry-After": String(told.retryAfterSeconds ?? 1) } : {}),
    },
    body: JSON.stringify(problemDocument(told, decision === undefined ? {} : { decision })),
  };
}
