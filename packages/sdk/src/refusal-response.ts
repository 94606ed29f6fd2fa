import type { Decision, Failure, problemType } from "@authmesh/core";

export type Refusal = Extract<Decision, { allowed: false }>;

/** What an adapter answers to a refused request. */
export interface RefusalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Failures that leave the rest of a body on the connection, where it must not be read as the next request. */
const bodyLeftUnread = new Set(["payload_too_large", "body_timeout", "body_incomplete", "verifier_busy"]);

/** What the body of a refusal is, and how it is called. */
interface RefusalBody {
  readonly type: "application/json" | typeof problemType;
  readonly content: object;
  /** The value of WWW-Authenticate, for a 401. */
  readonly challenge: string;
}

/**
 * The response to a refusal: the public code as JSON, and nothing of the reason behind a 401
 * (docs/protocol.md, section 2).
 */
export const refusalResponse = ({ id, failure }: Refusal): RefusalResponse =>
  answer(id, failure, {
    type: "application/json",
    content: { error: failure.public },
    challenge: "AuthMesh",
  });

/** The response to a refusal with this body, and the headers that every refusal has. */
export function answer(
  decision: string,
  failure: Failure,
  { type, content, challenge }: RefusalBody,
): RefusalResponse {
  return {
    status: failure.status,
    headers: {
      "Content-Type": type,
      "Cache-Control": "no-store",
      "AuthMesh-Decision": decision,
      ...(failure.status === 401 ? { "WWW-Authenticate": challenge } : {}),
      ...(failure.status === 503 ? { "Retry-After": String(failure.retryAfterSeconds ?? 1) } : {}),
      ...(bodyLeftUnread.has(failure.code) ? { Connection: "close" } : {}),
    },
    body: JSON.stringify(content),
  };
}
