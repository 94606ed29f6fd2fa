import type {
  CheckStep,
  Failure,
  IncomingRequest,
  JsonObject,
  JwsHeader,
  JwsParts,
  KeyProof,
  NonceStore,
  RequestReader,
} from "@authmesh/core";
import type { TokenClaims } from "../claims.js";
import type { IssuerKey, KeySource, TokenAlgorithm } from "../keys.js";
import type { PolicyDecision, PolicyEngine } from "../policy/policy-engine.js";
import type { RevocationSource } from "../revocation.js";
import type { ShadowDecision } from "./options.js";
import type { VerifiedToken, VerifiedTokens } from "./verified-tokens.js";

/** What the steps of one verification share: each fills in what later ones read. */
export class TokenContext {
  readonly token: string;
  readonly request: IncomingRequest | undefined;
  parts!: JwsParts;
  header!: JwsHeader;
  payload: JsonObject | undefined;
  claims!: TokenClaims;
  key!: IssuerKey;
  /** Whether the issuer is known to have said what the token says. */
  signed = false;
  /** What is remembered of it, if it may come again. */
  known: VerifiedToken | undefined;
  /** The signature of the request by the key that the token names. */
  proof: KeyProof | undefined;
  decision: PolicyDecision | undefined;

  constructor(token: string, request: IncomingRequest | undefined) {
    this.token = token;
    this.request = request;
  }
}

/** What the steps ask of the world and of the configuration; every value is checked and set. */
export interface TokenSettings {
  readonly audiences: ReadonlySet<string>;
  readonly trustedIssuers: ReadonlySet<string>;
  readonly keys: KeySource;
  readonly replay: NonceStore;
  readonly replayScope: string;
  readonly tokenUse: TokenUse;
  readonly requireRequestBinding: boolean;
  readonly revocations: RevocationSource | undefined;
  readonly policy: PolicyEngine | "none" | undefined;
  readonly shadowPolicy: PolicyEngine | undefined;
  readonly onShadow: ((decision: ShadowDecision) => void) | undefined;
  readonly algorithms: readonly TokenAlgorithm[];
  readonly leewaySeconds: number;
  readonly maxTokenBytes: number;
  readonly requests: RequestReader;
  readonly verified: VerifiedTokens;
  /** Milliseconds since the epoch, read afresh by each step. */
  readonly now: () => number;
}

/** How often a token without `cnf` is accepted. */
export type TokenUse = "once" | "until-expiry";

/** A refusal, and the claim it is about. */
export interface TokenRefusal extends Failure {
  readonly claim?: string;
}

export interface TokenStep extends CheckStep<TokenContext, TokenSettings, TokenRefusal> {
  /** Of docs/protocol.md, section 8.4: 1 to 14; 13.5 is revocation. */
  readonly number: number;
  /** Whether what it found holds for as long as the token does: it is not asked twice of one that is known. */
  readonly lasts?: true;
}
