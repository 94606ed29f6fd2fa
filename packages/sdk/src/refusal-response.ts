import type { Decision } from "@authmesh/core";

export type Refusal = Extract<Decision, { allowed: false }>;

/** What an adapter answers to a refused request. */
export interface RefusalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Failures that leave the rest of a body on the connection, where it must not be read as the next request. */
const bodyLeftUnread = new Set(["payload_too_large", "body_timeout", "body_incomplete", "verifier_busy"]);

/**
 * The response to a refusal: the public code as JSON, and nothing of the reason behind a 401
 * (docs/protocol.md, section 2).
 */
export function refusalResponse({ id, failure }: Refusal): RefusalResponse {
  return {
    status: failure.status,
    headers: {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      "AuthMesh-Decision": id,
      ...(failure.status === 401 ? { "WWW-Authenticate": "AuthMesh" } : {}),
      ...(failure.status === 503 ? { "Retry-After": String(failure.retryAfterSeconds ?? 1) } : {}),
      ...(bodyLeftUnread.has(failure.code) ? { Connection: "close" } : {}),
    },
    body: JSON.stringify({ error: failure.public }),
  };
}
