import { catalogue } from "@authmesh/core";
import type { TokenRefused } from "@authmesh/oath";
import { answer, type RefusalResponse } from "../refusal-response.js";

/**
 * The response to a refused token: a problem document (RFC 9457) about the caller's own token
 * (docs/protocol.md, section 8).
 */
export function problemResponse({ id, failure }: Pick<TokenRefused, "id" | "failure">): RefusalResponse {
  const { code, status, error, step } = failure;
  const { summary, fix } = catalogue[code];
  // What fails within a server, and what its policy says, is for its operator.
  const told = status >= 500 || code === "policy_denied" ? { detail: summary, fix } : failure;
  return answer(id, failure, {
    type: "application/problem+json",
    challenge: `OathMesh error="${error}"`,
    content: { title: summary, status, detail: told.detail, error, step, fix: told.fix, decision: id },
  });
}
