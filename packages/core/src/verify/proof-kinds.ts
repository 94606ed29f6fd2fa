import { hasSchemeOfOurs, isAuthMesh, isToken } from "../authorization-header.js";
import type { StepResult } from "../decision.js";
import { bearsHttpSignature } from "../http-signature/profile.js";
import type { IncomingRequest } from "../request.js";
import { authMeshSteps } from "./authmesh-steps.js";
import type { Step } from "./context.js";
import { httpSignatureSteps } from "./http-signature-steps.js";

/** One way to prove a request: how to see that somebody tries, and what is then checked. */
export interface ProofKind {
  /** Whether the request bears such a proof, right or wrong. */
  readonly isPresented: (request: IncomingRequest) => boolean;
  readonly steps: readonly Step[];
  /** What a decision says when every step passed. */
  readonly passed: readonly StepResult[];
}

const kind = (isPresented: ProofKind["isPresented"], steps: readonly Step[]): ProofKind => ({
  isPresented,
  steps,
  passed: steps.map(({ name }) => ({ step: name, outcome: "passed" })),
});

/** A token, which is for another verifier, is a proof all the same: it could be of another caller. */
const authMeshHeader = kind(
  (request) => request.headers("authorization").some(hasSchemeOfOurs),
  authMeshSteps,
);

const furtherKinds: readonly ProofKind[] = [kind(bearsHttpSignature, httpSignatureSteps)];

/** The ways to prove a request: section 2, section 3, section 8. */
export type ProofName = "device" | "http-signature" | "token";

const presentations: Readonly<Record<ProofName, (request: Pick<IncomingRequest, "headers">) => boolean>> = {
  token: (request) => request.headers("authorization").some(isToken),
  device: (request) => request.headers("authorization").some(isAuthMesh),
  "http-signature": bearsHttpSignature,
};

/** The proofs that a request bears, right or wrong. A token may have an HTTP signature beside it that belongs to it (`cnf`). */
export const presentedProofs = (request: Pick<IncomingRequest, "headers">): readonly ProofName[] =>
  (Object.keys(presentations) as ProofName[]).filter((name) => presentations[name](request));

/**
 * The kind of proof a request bears; undefined when there are several. Without any it is the AuthMesh header's, whose
 * first step says what is missing; so that header is looked for only beside another proof.
 */
export function proofKindOf(request: IncomingRequest): ProofKind | undefined {
  let presented: ProofKind | undefined;
  for (const candidate of furtherKinds) {
    if (!candidate.isPresented(request)) continue;
    if (presented !== undefined) return undefined;
    presented = candidate;
  }
  if (presented === undefined) return authMeshHeader;
  return authMeshHeader.isPresented(request) ? undefined : presented;
}
