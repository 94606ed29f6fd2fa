import { crypto } from "#crypto";
import { toBase64Url } from "./encoding.js";
import type { Failure } from "./errors.js";
import type { Evidence } from "./evidence.js";
import type { Scopes } from "./scopes.js";

/** Who called, whatever it proved itself by. */
export interface Caller {
  readonly kind: "device";
  /** The device id, `am_…`. */
  readonly id: string;
  readonly name: string;
  /** What it may do; empty means nothing beyond being known. */
  readonly scopes: Scopes;
  /** Unix seconds. */
  readonly verifiedAt: number;
  /** Unix seconds; absent when the device's entry does not expire. */
  readonly expiresAt?: number;
}

/** What the verifier decided of one request, and every step on the way. */
export type Decision = Allowed | Refused;

interface Decided {
  readonly id: string;
  readonly steps: readonly StepResult[];
  /** As the caller signed it: with the prefix that a proxy took off. */
  readonly target: string;
  /** "sha256:" or "sha512:" and lower-case hex; absent when the body was not read. */
  readonly bodyHash?: string;
  /** Only where the verifier was told to keep it, and of a caller that proved itself. */
  readonly evidence?: Evidence;
}

export interface Allowed extends Decided {
  readonly allowed: true;
  readonly caller: Caller;
  /** Whether the caller showed, with this very request and for the first time, that it holds the key. */
  readonly proven: true;
  readonly warnings: readonly string[];
}

export interface Refused extends Decided {
  readonly allowed: false;
  readonly failure: Failure;
  /** Name of the step that refused. */
  readonly step: string;
  readonly proven: boolean;
  /** Id of the decision that let the caller in, where the audit had no place for that. */
  readonly after?: string;
  /** What was known of the caller by then: no more than its claim, unless `proven`. */
  readonly caller?: Pick<Caller, "kind" | "id" | "name">;
}

export interface StepResult {
  readonly step: string;
  readonly outcome: "passed" | "refused";
}

/** 96 random bits, to find one decision in a log. */
export const newDecisionId = (): string => toBase64Url(crypto.randomBytes(12));
