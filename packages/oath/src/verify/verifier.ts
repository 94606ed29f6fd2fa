import { failure, type IncomingRequest, newDecisionId, runSteps, type StepResult } from "@authmesh/core";
import { readableClaims } from "../claim-rules.js";
import type { TokenDecision, TokenFailure, TokenRefused } from "../token-decision.js";
import { callerOf } from "./caller.js";
import { TokenContext, type TokenRefusal, type TokenSettings, type TokenStep } from "./context.js";
import { formSteps } from "./form-steps.js";
import { checkTokenOptions, type TokenVerifierOptions } from "./options.js";
import { presentedToken } from "./presented-token.js";
import { proofSteps } from "./proof-steps.js";
import { noToken } from "./refusals.js";
import { useSteps } from "./use-steps.js";

export interface TokenVerifier {
  /**
   * Decides on a token, and on the request that brings it. It never throws for what a caller sent.
   *
   * @param token undefined: the one in the request's Authorization header, scheme `OathMesh`
   * @param request needed by tokens that are bound to one (`rqh`, `cnf`), and by policies of methods and paths
   */
  verify(token: string | undefined, request?: IncomingRequest): Promise<TokenDecision>;
}

/** A step whose finding lasts is not asked about a token that passed it before. */
const unlessRecalled = (step: TokenStep): TokenStep =>
  step.lasts
    ? { ...step, run: (context, settings) => (context.signed ? undefined : step.run(context, settings)) }
    : step;

/** How a token is verified, in this order (docs/protocol.md, section 8.4). */
export const tokenSteps: readonly TokenStep[] = [...formSteps, ...proofSteps, ...useSteps].map(
  unlessRecalled,
);
const passed: readonly StepResult[] = tokenSteps.map(({ name }) => ({ step: name, outcome: "passed" }));

/**
 * A verifier of tokens.
 *
 * @throws TypeError for options that make no sense
 */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const settings = checkTokenOptions(options);
  return {
    async verify(given, received) {
      const request = received && settings.requests.whole(received);
      const token = given ?? tokenOf(request);
      const context = new TokenContext(typeof token === "string" ? token : "", request);
      if (typeof token !== "string") return refuse(token, 0, context);
      recall(context, settings);
      const refusal = await runSteps(tokenSteps, context, settings);
      if (refusal !== undefined) return refuse(refusal.failure, refusal.index, context);
      return {
        allowed: true,
        ...decided(context, passed),
        caller: callerOf(context, settings),
        claims: context.claims,
        kid: context.header.kid,
        ...(context.proof === undefined ? {} : { holder: context.proof.key }),
      };
    },
  };
}

function tokenOf(request: IncomingRequest | undefined): string | TokenRefusal {
  return request === undefined ? noToken("There is neither a token nor a request.") : presentedToken(request);
}

/** Fills in what is known of a token whose form and signature were found right before. */
function recall(context: TokenContext, { verified, now }: TokenSettings): void {
  const known = verified.find(context.token, Math.floor(now() / 1000));
  if (known === undefined) return;
  context.known = known;
  context.claims = known.claims;
  context.header = known.header;
  context.signed = true;
}

function refuse(refusal: TokenRefusal, index: number, context: TokenContext): TokenRefused {
  const { number, name } = tokenSteps[index] as TokenStep;
  const claims = context.claims ?? (context.payload && readableClaims(context.payload));
  return {
    allowed: false,
    ...decided(context, [...passed.slice(0, index), { step: name, outcome: "refused" }]),
    failure: asTokenFailure(refusal, number),
    ...(claims === undefined ? {} : { claimed: { claims, verified: context.signed } }),
  };
}

function decided({ request }: TokenContext, steps: readonly StepResult[]) {
  const target = request === undefined ? {} : { target: request.target };
  return { id: newDecisionId(), steps, ...target };
}

/** What is wrong with a caller's own token is told to the caller; what is wrong with the server is not. */
function asTokenFailure({ claim, ...refusal }: TokenRefusal, step: number): TokenFailure {
  // What has no status of its own is no fault of the caller's.
  const answer = refusal.status > 0 ? refusal : failure("verifier_not_ready", refusal.detail, refusal.fix);
  const isTheirs = answer.status === 401 || answer.status === 403;
  const error = claim === undefined ? answer.code : `${answer.code}:${claim}`;
  return { ...answer, public: isTheirs ? error : answer.public, step, error };
}
