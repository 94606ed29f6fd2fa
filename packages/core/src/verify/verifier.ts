import { type Caller, type Decision, newDecisionId, type StepResult } from "../decision.js";
import { decodeUtf8, toBase64Url } from "../encoding.js";
import { type Failure, failure } from "../errors.js";
import type { Evidence } from "../evidence.js";
import type { NonceStore } from "../nonce-store.js";
import type { IncomingRequest } from "../request.js";
import { parseRequirement } from "../scopes.js";
import type { TrustStore } from "../trust-store.js";
import { type SignedMessage, type Step, VerificationContext, type VerifierSettings } from "./context.js";
import { DelegationCache } from "./delegation-cache.js";
import { PrefixedRequest } from "./prefixed-request.js";
import { proofKindOf } from "./proof-kinds.js";
import { checkRequestOptions, flag, integer, type RequestOptions } from "./request-options.js";
import { runSteps } from "./run-steps.js";

/** How requests are verified. Everything but `trust` and `nonces` has a default. */
export interface VerifierOptions extends RequestOptions {
  /** Whom to accept. */
  readonly trust: TrustStore;
  /** Where nonces are remembered. */
  readonly nonces: NonceStore;
  /** Refuse every request that is not bound to the audience, also of devices that never bind. Default false. */
  readonly requireHostBinding?: boolean | undefined;
  /** How long a nonce is remembered at least, in seconds; never less than 2·clockSkewSeconds + 11. Default 60. */
  readonly nonceWindowSeconds?: number | undefined;
  /** Keep in each decision what the caller signed, for `checkEvidence`. Default false. */
  readonly evidence?: boolean | undefined;
  /** What the caller must have been granted: "orders:r", "orders:w". Default nothing. */
  readonly scope?: string | undefined;
}

/** Decides on requests. It never throws for what a caller sent. */
export type Verifier = (request: IncomingRequest) => Promise<Decision>;

/**
 * The one verifier. Adapters translate a framework's request into an `IncomingRequest` and the `Decision` into a
 * response; they decide nothing.
 *
 * @throws TypeError for options that make no sense
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = checkOptions(options);
  const { pathPrefix } = settings;
  return async (received) => {
    const request = pathPrefix === "" ? received : new PrefixedRequest(received, pathPrefix);
    const context = new VerificationContext(request);
    const kind = proofKindOf(request);
    if (kind === undefined) return refuse(failure("ambiguous_proof"), "proof", [], context, settings);
    const refusal = await runSteps(kind.steps, context, settings);
    if (refusal !== undefined) {
      const { failure: why, index } = refusal;
      const { name } = kind.steps[index] as Step;
      return refuse(why, name, kind.passed.slice(0, index), context, settings);
    }
    return {
      allowed: true,
      ...decided(kind.passed, context, settings),
      caller: callerOf(context, settings),
      proven: true,
      warnings: context.warnings,
    };
  };
}

/** What has no status of its own is no fault of the caller's. */
const answerable = (refusal: Failure): Failure =>
  refusal.status > 0 ? refusal : failure("verifier_not_ready", refusal.detail, refusal.fix);

function refuse(
  refusal: Failure,
  step: string,
  passed: readonly StepResult[],
  context: VerificationContext,
  settings: VerifierSettings,
): Decision {
  return {
    allowed: false,
    ...decided([...passed, { step, outcome: "refused" }], context, settings),
    failure: answerable(refusal),
    step,
    proven: context.proven,
    ...claimed(context),
  };
}

/** What every decision says. */
function decided(
  steps: readonly StepResult[],
  context: VerificationContext,
  { evidence }: VerifierSettings,
): Pick<Decision, "id" | "steps" | "target" | "bodyHash" | "evidence"> {
  const { request, bodyHash } = context;
  return {
    id: newDecisionId(),
    steps,
    target: request.target,
    ...(bodyHash === undefined ? {} : { bodyHash: `${bodyHash.algorithm}:${bodyHash.hex}` }),
    ...(evidence && context.proven ? { evidence: evidenceOf(context) } : {}),
  };
}

function evidenceOf({ request, signed, device, presented }: VerificationContext): Evidence {
  const { kind, message, signature } = signed as SignedMessage;
  const [delegation] = presented === undefined ? [] : request.headers("authmesh-delegation");
  return {
    kind,
    signed: decodeUtf8(message) ?? "",
    signature: toBase64Url(signature),
    deviceKey: device.publicKey.base64,
    ...(delegation === undefined ? {} : { delegation }),
  };
}

function callerOf({ device }: VerificationContext, { now }: VerifierSettings): Caller {
  return {
    kind: "device",
    id: device.deviceId,
    name: device.friendlyName,
    scopes: device.scopes,
    verifiedAt: Math.floor(now() / 1000),
    ...(device.expiresAt === undefined ? {} : { expiresAt: device.expiresAt }),
  };
}

function claimed({ device }: VerificationContext) {
  if (device === undefined) return {};
  return { caller: { kind: "device" as const, id: device.deviceId, name: device.friendlyName } };
}

function checkOptions(options: VerifierOptions): VerifierSettings {
  if (typeof options.trust?.find !== "function" || typeof options.trust.findById !== "function")
    throw new TypeError("trust must be a TrustStore.");
  if (typeof options.nonces?.checkAndRecord !== "function")
    throw new TypeError("nonces must be a NonceStore.");
  const settings = checkRequestOptions(options);
  return {
    ...settings,
    trust: options.trust,
    nonces: options.nonces,
    requireHostBinding: flag("requireHostBinding", options.requireHostBinding ?? false),
    nonceWindowSeconds: integer("nonceWindowSeconds", options.nonceWindowSeconds ?? 60, 0, 86_400),
    evidence: flag("evidence", options.evidence ?? false),
    scopeSuffices: options.scope === undefined ? undefined : checkRequirement(options.scope),
    delegations: new DelegationCache(settings.now),
  };
}

function checkRequirement(scope: string): VerifierSettings["scopeSuffices"] {
  try {
    return parseRequirement(scope);
  } catch (cause) {
    throw new TypeError(`scope: ${(cause as Error).message}`, { cause });
  }
}
