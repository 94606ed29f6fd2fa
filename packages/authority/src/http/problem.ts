import { type Failure, failure } from "@authmesh/core";

/** What a problem document has beside the failure. */
export interface ProblemContext {
  /** To find one decision in a log. */
  readonly decision?: string;
  /** Name of the step that refused. */
  readonly step?: string;
}

/**
 * A problem document (RFC 9457; docs/protocol.md, section 8.9). What is amiss with the authority itself is told to
 * nobody but its operator: of a failure from 500 on, only what the catalogue says.
 */
export function problem(told: Failure, { decision, step }: ProblemContext = {}): Response {
  const { code, status, retryAfterSeconds } = told;
  const { detail, fix } = status >= 500 ? failure(code) : told;
  const title = failure(code).detail;
  const wait = retryAfterSeconds ?? (status === 503 ? 1 : undefined);
  const body = {
    title,
    status,
    detail,
    error: told.public,
    fix,
    ...(step && { step }),
    ...(decision && { decision }),
  };
  return problemResponse(status, body, wait === undefined ? {} : { "Retry-After": String(wait) });
}

/** What HTTP itself says no to: a path that is not there, a method that it does not take. */
export const plainProblem = (status: number, title: string, error: string): Response =>
  problemResponse(status, { title, status, error });

/** A refusal of the device verifier, which is told in few words, as a problem document. */
export async function problemOfRefusal(refusal: Response): Promise<Response> {
  const { error } = (await refusal.json()) as { readonly error: string };
  const { status, headers } = refusal;
  const decision = headers.get("AuthMesh-Decision") ?? undefined;
  const title = "The caller did not prove to be a device that may call here.";
  const kept = ["WWW-Authenticate", "AuthMesh-Decision", "Retry-After", "Connection"].flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return problemResponse(status, { title, status, error, decision }, Object.fromEntries(kept));
}

const problemResponse = (status: number, body: object, headers: Readonly<Record<string, string>> = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store", ...headers },
  });
