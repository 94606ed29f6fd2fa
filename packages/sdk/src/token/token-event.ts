import {
  type AuditEvent,
  type AuditEventFields,
  auditedText,
  createAuditEvent,
  type IncomingRequest,
  type JsonObject,
} from "@authmesh/core";
import type { TokenAllowed, TokenClaims, TokenDecision, TokenRefused } from "@authmesh/oath";
import { isProven } from "./logged-token-refusal.js";

/** The audit event of a decision on a token (docs/protocol.md, section 13). */
export function tokenEvent(
  decision: TokenDecision,
  request: IncomingRequest,
  { time, source }: Pick<AuditEventFields, "time" | "source">,
): AuditEvent {
  const { id, allowed, target = request.target } = decision;
  const [host] = request.headers("host");
  const proven = allowed || isProven(decision);
  const { claims, verified } = claimsOf(decision);
  return createAuditEvent({
    type: allowed ? "dev.authmesh.request.allowed" : "dev.authmesh.request.refused",
    id,
    time,
    source,
    subject: proven ? claims.sub : undefined,
    proven,
    data: {
      request: {
        method: request.method,
        target: auditedText(target, proven),
        ...(host === undefined ? {} : { host: auditedText(host, proven) }),
      },
      ...(verified ? { claims: plain(claims) } : { unverified: { claims: plain(claims) } }),
      ...(allowed ? ruleOf(decision) : reasonOf(decision)),
    },
  });
}

function claimsOf(decision: TokenDecision): NonNullable<TokenRefused["claimed"]> {
  if (decision.allowed) return { claims: decision.claims, verified: true };
  return decision.claimed ?? { claims: {}, verified: false };
}

const ruleOf = ({ caller: { rule } }: TokenAllowed): JsonObject => (rule === undefined ? {} : { rule });

const reasonOf = ({ failure: { code, error, step }, after }: TokenRefused): JsonObject => ({
  code,
  error,
  step: String(step),
  ...(after === undefined ? {} : { after }),
});

function plain({ src, scope, cnf, ...flat }: Partial<TokenClaims>): JsonObject {
  return {
    ...flat,
    ...(src === undefined ? {} : { src: { ...src } }),
    ...(scope === undefined ? {} : { scope: [...scope] }),
    ...(cnf === undefined ? {} : { cnf: { ...cnf } }),
  };
}
