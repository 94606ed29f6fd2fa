import { type Failure, type ProblemContext, problemDocument, problemType } from "@authmesh/core";

/** A problem document on a failure (docs/protocol.md, section 8.9), with the time to wait where there is one. */
export function problem(told: Failure, context?: ProblemContext): Response {
  const { status, retryAfterSeconds } = told;
  const wait = retryAfterSeconds ?? (status === 503 ? 1 : undefined);
  const headers: Readonly<Record<string, string>> = wait === undefined ? {} : { "Retry-After": String(wait) };
  return problemResponse(status, problemDocument(told, context), headers);
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
    headers: { "Content-Type": problemType, "Cache-Control": "no-store", ...headers },
  });
