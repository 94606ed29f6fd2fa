import { crypto } from "#crypto";
import type { Caller, Decision, StepResult } from "../decision.js";
import { decodeUtf8, toBase64Url } from "../encoding.js";
import { AmeshError, type Failure, failure } from "../errors.js";
import type { Evidence } from "../evidence.js";
import { normalizeHost, splitHosts } from "../host-binding.js";
import type { NonceStore } from "../nonce-store.js";
import type { IncomingRequest } from "../request.js";
import { parseRequirement } from "../scopes.js";
import type { TrustStore } from "../trust-store.js";
import { type SignedMessage, type Step, VerificationContext, type VerifierSettings } from "./context.js";
import { DelegationCache } from "./delegation-cache.js";
import { checkPathPrefix, PrefixedRequest } from "./prefixed-request.js";
import { proofKindOf } from "./proof-kinds.js";

/** How requests are verified. Everything but `trust` and `nonces` has a default. */
export interface VerifierOptions {
  /** Whom to accept. */
  readonly trust: TrustStore;
  /** Where nonces are remembered. */
  readonly nonces: NonceStore;
  /**
   * The hosts this server answers to, exactly as callers name them: "api.example.com", "localhost:3000"; a string
   * is one or several with commas between them. Without any, the sealed state's are used; without those, a request
   * is compared with the Host it came with, which catches mistakes and no attacker.
   */
  readonly audience?: string | readonly string[] | undefined;
  /** Let X-Forwarded-Host choose among the audience. Default false. */
  readonly trustProxy?: boolean | undefined;
  /**
   * What a proxy takes off the path before this server sees the request: "/api". The signed target is the prefix
   * followed by the target received. Default nothing.
   */
  readonly pathPrefix?: string | undefined;
  /** Refuse every request that is not bound to the audience, also of devices that never bind. Default false. */
  readonly requireHostBinding?: boolean | undefined;
  /** How far clocks may differ, in seconds: an integer from 0 to 300. Default 30. */
  readonly clockSkewSeconds?: number | undefined;
  /** How long a nonce is remembered at least, in seconds; never less than 2·clockSkewSeconds + 11. Default 60. */
  readonly nonceWindowSeconds?: number | undefined;
  /** Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Default 30. */
  readonly bodyTimeoutSeconds?: number | undefined;
  /** Bodies that may be awaited at a time; more are refused with 503. Default 256. */
  readonly maxPendingBodies?: number | undefined;
  /** Content encodings that the application decodes, such as "gzip". Default none: such bodies are refused. */
  readonly contentEncodings?: readonly string[] | undefined;
  /** Headers that override method or path and are let through all the same. Default none. */
  readonly allowOverrideHeaders?: readonly string[] | undefined;
  /** Keep in each decision what the caller signed, for `checkEvidence`. Default false. */
  readonly evidence?: boolean | undefined;
  /** What the caller must have been granted: "orders:r", "orders:w". Default nothing. */
  readonly scope?: string | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
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
    for (const [index, step] of kind.steps.entries()) {
      const pending = attempt(step, context, settings);
      // Nearly every step is synchronous; waiting for each of them would cost more than most of them do.
      const refusal = pending instanceof Promise ? await pending.catch(asFailure) : pending;
      if (refusal !== undefined)
        return refuse(refusal, step.name, kind.passed.slice(0, index), context, settings);
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

function attempt(
  step: Step,
  context: VerificationContext,
  settings: VerifierSettings,
): ReturnType<Step["run"]> {
  try {
    return step.run(context, settings);
  } catch (error) {
    return asFailure(error);
  }
}

/** What a step throws refuses the request; what is not of the catalogue is for the adapter to report. */
function asFailure(error: unknown): Failure {
  if (!(error instanceof AmeshError)) throw error;
  return error.failure;
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
    id: decisionId(),
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

/** 96 random bits, to find one decision in a log. */
const decisionId = (): string => toBase64Url(crypto.randomBytes(12));

function checkOptions(options: VerifierOptions): VerifierSettings {
  if (typeof options.trust?.find !== "function" || typeof options.trust.findById !== "function")
    throw new TypeError("trust must be a TrustStore.");
  if (typeof options.nonces?.checkAndRecord !== "function")
    throw new TypeError("nonces must be a NonceStore.");
  const now = options.now ?? Date.now;
  return {
    trust: options.trust,
    nonces: options.nonces,
    audience: checkAudience(options.audience),
    trustProxy: flag("trustProxy", options.trustProxy ?? false),
    pathPrefix: checkPathPrefix(options.pathPrefix ?? ""),
    requireHostBinding: flag("requireHostBinding", options.requireHostBinding ?? false),
    clockSkewSeconds: integer("clockSkewSeconds", options.clockSkewSeconds ?? 30, 0, 300),
    nonceWindowSeconds: integer("nonceWindowSeconds", options.nonceWindowSeconds ?? 60, 0, 86_400),
    maxBodyBytes: integer("maxBodyBytes", options.maxBodyBytes ?? 1_048_576, 0, Number.MAX_SAFE_INTEGER),
    bodyTimeoutSeconds: integer("bodyTimeoutSeconds", options.bodyTimeoutSeconds ?? 30, 1, 3600),
    maxPendingBodies: integer("maxPendingBodies", options.maxPendingBodies ?? 256, 1, 1_000_000),
    contentEncodings: names("contentEncodings", options.contentEncodings ?? []),
    allowOverrideHeaders: names("allowOverrideHeaders", options.allowOverrideHeaders ?? []),
    evidence: flag("evidence", options.evidence ?? false),
    scopeSuffices: options.scope === undefined ? undefined : checkRequirement(options.scope),
    now,
    delegations: new DelegationCache(now),
    pendingBodies: 0,
  };
}

function checkRequirement(scope: string): VerifierSettings["scopeSuffices"] {
  try {
    return parseRequirement(scope);
  } catch (cause) {
    throw new TypeError(`scope: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Normalises the hosts of an audience; a string is one or several with commas between them.
 *
 * @throws TypeError for what is not a host, and for a string without any
 */
export function checkAudience(audience: string | readonly string[] | undefined): readonly string[] {
  const hosts = typeof audience === "string" ? splitHosts(audience) : (audience ?? []);
  if (typeof audience === "string" && hosts.length === 0)
    throw new TypeError(`audience: there is no host in ${JSON.stringify(audience)}.`);
  return hosts.map((host) => {
    const normal = typeof host === "string" ? normalizeHost(host) : undefined;
    if (normal?.endsWith(":443")) {
      throw new TypeError(`audience: ${JSON.stringify(host)}: leave out the default port, as clients do.`);
    }
    if (normal === undefined) {
      throw new TypeError(
        `audience: ${JSON.stringify(host)} is not a host such as "api.example.com" or "localhost:3000".`,
      );
    }
    return normal;
  });
}

function flag(name: string, value: boolean): boolean {
  if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false.`);
  return value;
}

function names(name: string, values: readonly string[]): readonly string[] {
  if (!Array.isArray(values) || values.some((value) => typeof value !== "string")) {
    throw new TypeError(`${name} must be an array of names.`);
  }
  return values.map((value) => value.toLowerCase());
}

function integer(name: string, value: number, lowest: number, highest: number): number {
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new TypeError(`${name} must be an integer from ${lowest} to ${highest}; it is ${value}.`);
  }
  return value;
}
