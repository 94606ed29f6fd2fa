import { failure as known, problemDocument, problemType } from "@authmesh/core";
import type { TokenRefused } from "@authmesh/oath";
import { answer, type RefusalResponse } from "../refusal-response.js";

/**
 * The response to a refused token: a problem document (RFC 9457) about the caller's own token
 * (docs/protocol.md, section 8).
 */
export function problemResponse({ id, failure }: Pick<TokenRefused, "id" | "failure">): RefusalResponse {
  const { code, error, step } = failure;
  // What a policy says is for its operator.
  const told = code === "policy_denied" ? known(code) : failure;
  return answer(id, failure, {
    type: problemType,
    challenge: `OathMesh error="${error}"`,
    content: problemDocument(told, { error, step, decision: id }),
  });
}
