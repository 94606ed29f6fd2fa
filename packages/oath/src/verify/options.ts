import { checkAudience, type NonceStore, type RequestOptions, RequestReader } from "@authmesh/core";
import { issuerProblem } from "../issuer-url.js";
import type { KeySource, TokenAlgorithm } from "../keys.js";
import type { PolicyDecision, PolicyEngine, PolicyInput } from "../policy/policy-engine.js";
import { longestToken, tokenAlgorithms } from "../read-token.js";
import type { RevocationSource } from "../revocation.js";
import type { TokenSettings, TokenUse } from "./context.js";
import { VerifiedTokens } from "./verified-tokens.js";

/** How tokens are verified (docs/protocol.md, section 8.4). */
export interface TokenVerifierOptions {
  /** For whom tokens must be: compared letter by letter with `aud`, which must be one of them. */
  readonly audience: string | readonly string[];
  /** The URLs of the issuers to trust, letter by letter as they stand in `iss`. */
  readonly trustedIssuers: readonly string[];
  /** Where their keys are found. */
  readonly keys: KeySource;
  /** Where used tokens are remembered. All verifiers of an audience share it, or insist on a request binding. */
  readonly replay: NonceStore;
  /** Which verifiers take a token once between them; a gateway before a service has its own. Default "". */
  readonly replayScope?: string | undefined;
  /** "until-expiry": accept a token again and again until it expires, from whoever has it. Default "once". */
  readonly tokenUse?: TokenUse | undefined;
  /** Refuse tokens without `rqh`. Default false. */
  readonly requireRequestBinding?: boolean | undefined;
  /** Who is asked whether a token was revoked. Default nobody. */
  readonly revocations?: RevocationSource | undefined;
  /** What tokens may be used for. Without one everything is denied; "none" asks nobody. */
  readonly policy?: PolicyEngine | "none" | undefined;
  /** Decides too, and is only told of: a policy on trial. */
  readonly shadowPolicy?: PolicyEngine | undefined;
  readonly onShadow?: ((decision: ShadowDecision) => void) | undefined;
  /** Default both. */
  readonly algorithms?: readonly TokenAlgorithm[] | undefined;
  /** How far clocks may differ, in seconds: an integer from 0 to 60. Default 30. */
  readonly leewaySeconds?: number | undefined;
  /** Characters of a token: an integer from 256 to 65,536. Default 8192. */
  readonly maxTokenBytes?: number | undefined;
  /** Tokens that may come again and whose signature is not checked twice; 0 to 1,000,000. Default 10,000. */
  readonly maxVerifiedTokens?: number | undefined;
  /**
   * The hosts that requests are made for, as `audience` of core's verifier; for tokens with `rqh` or `cnf`. Default:
   * whatever the request names, which catches mistakes and no attacker.
   */
  readonly hosts?: RequestOptions["audience"];
  /** As core's verifier has them. */
  readonly trustProxy?: RequestOptions["trustProxy"];
  readonly pathPrefix?: RequestOptions["pathPrefix"];
  readonly maxBodyBytes?: RequestOptions["maxBodyBytes"];
  readonly bodyTimeoutSeconds?: RequestOptions["bodyTimeoutSeconds"];
  readonly maxPendingBodies?: RequestOptions["maxPendingBodies"];
  readonly contentEncodings?: RequestOptions["contentEncodings"];
  readonly allowOverrideHeaders?: RequestOptions["allowOverrideHeaders"];
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** What a policy on trial decided, beside the one that counts. */
export interface ShadowDecision {
  readonly input: PolicyInput;
  readonly decision: PolicyDecision;
  readonly shadow: PolicyDecision;
}

/** Every option there is; those of a verifier with more of its own hold these too. */
export const tokenVerifierOptionNames: Readonly<Record<keyof TokenVerifierOptions, true>> = {
  algorithms: true,
  allowOverrideHeaders: true,
  audience: true,
  bodyTimeoutSeconds: true,
  contentEncodings: true,
  hosts: true,
  keys: true,
  leewaySeconds: true,
  maxBodyBytes: true,
  maxPendingBodies: true,
  maxTokenBytes: true,
  maxVerifiedTokens: true,
  now: true,
  onShadow: true,
  pathPrefix: true,
  policy: true,
  replay: true,
  replayScope: true,
  requireRequestBinding: true,
  revocations: true,
  shadowPolicy: true,
  tokenUse: true,
  trustProxy: true,
  trustedIssuers: true,
};

/** @throws TypeError for options that make no sense, and for those there are not: a misspelt one would be left out */
export function checkTokenOptions(options: TokenVerifierOptions): TokenSettings {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(tokenVerifierOptionNames, name));
  insist(
    unknown === undefined,
    `${unknown} is not an option; there are: ${Object.keys(tokenVerifierOptionNames).join(", ")}.`,
  );
  const { keys, replay, revocations, policy, shadowPolicy, onShadow } = options;
  const { tokenUse = "once", replayScope = "", requireRequestBinding = false, now = Date.now } = options;
  insist(typeof keys?.find === "function", "keys must be a KeySource.");
  insist(typeof replay?.checkAndRecord === "function", "replay must be a NonceStore.");
  insist(
    revocations === undefined || typeof revocations?.find === "function",
    "revocations must be a RevocationSource.",
  );
  insist(
    policy === undefined || policy === "none" || typeof policy?.decide === "function",
    'policy must be a PolicyEngine or "none".',
  );
  insist(
    shadowPolicy === undefined || typeof shadowPolicy?.decide === "function",
    "shadowPolicy must be a PolicyEngine.",
  );
  insist(onShadow === undefined || typeof onShadow === "function", "onShadow must be a function.");
  insist(typeof now === "function", "now must be a function.");
  insist(tokenUse === "once" || tokenUse === "until-expiry", 'tokenUse must be "once" or "until-expiry".');
  insist(typeof replayScope === "string", "replayScope must be text.");
  insist(typeof requireRequestBinding === "boolean", "requireRequestBinding must be true or false.");
  const leewaySeconds = integer("leewaySeconds", options.leewaySeconds ?? 30, 0, 60);
  return {
    audiences: audiencesOf(options.audience),
    trustedIssuers: issuersOf(options.trustedIssuers),
    keys,
    replay,
    replayScope,
    tokenUse,
    requireRequestBinding,
    revocations,
    policy,
    shadowPolicy,
    onShadow,
    algorithms: algorithmsOf(options.algorithms ?? tokenAlgorithms),
    leewaySeconds,
    maxTokenBytes: integer("maxTokenBytes", options.maxTokenBytes ?? longestToken, 256, 65_536),
    requests: readerOf(options, leewaySeconds, now),
    verified: new VerifiedTokens(
      integer("maxVerifiedTokens", options.maxVerifiedTokens ?? 10_000, 0, 1_000_000),
    ),
    now,
  };
}

function readerOf(options: TokenVerifierOptions, clockSkewSeconds: number, now: () => number): RequestReader {
  const { hosts, trustProxy, pathPrefix, maxBodyBytes, bodyTimeoutSeconds, maxPendingBodies } = options;
  const { contentEncodings, allowOverrideHeaders } = options;
  return new RequestReader({
    audience: hosts === undefined ? undefined : checkAudience(hosts, "hosts"),
    trustProxy,
    pathPrefix,
    clockSkewSeconds,
    maxBodyBytes,
    bodyTimeoutSeconds,
    maxPendingBodies,
    contentEncodings,
    allowOverrideHeaders,
    now,
  });
}

function audiencesOf(audience: TokenVerifierOptions["audience"]): ReadonlySet<string> {
  const names: readonly unknown[] = typeof audience === "string" ? [audience] : audience;
  insist(isFullList(names), "audience must be one or several non-empty texts.");
  return new Set(names as string[]);
}

function issuersOf(issuers: readonly string[]): ReadonlySet<string> {
  insist(isFullList(issuers), "trustedIssuers must be an array of one or several URLs.");
  for (const issuer of issuers) {
    const problem = issuerProblem(issuer);
    insist(problem === undefined, `trustedIssuers: ${problem}.`);
  }
  return new Set(issuers);
}

function algorithmsOf(algorithms: readonly TokenAlgorithm[]): readonly TokenAlgorithm[] {
  insist(
    isFullList(algorithms) && algorithms.every((name) => tokenAlgorithms.includes(name)),
    `algorithms must be an array of ${tokenAlgorithms.join(", ")}.`,
  );
  return algorithms;
}

const isFullList = (values: unknown): boolean =>
  Array.isArray(values) &&
  values.length > 0 &&
  values.every((value) => typeof value === "string" && value !== "");

function integer(name: string, value: number, lowest: number, highest: number): number {
  insist(
    Number.isInteger(value) && value >= lowest && value <= highest,
    `${name} must be an integer from ${lowest} to ${highest}; it is ${value}.`,
  );
  return value;
}

function insist(condition: boolean, message: string): void {
  if (!condition) throw new TypeError(message);
}
