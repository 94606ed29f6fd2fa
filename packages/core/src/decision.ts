import type { Failure } from "./errors.js";
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
export type Decision =
  | {
      readonly allowed: true;
      readonly id: string;
      readonly caller: Caller;
      readonly steps: readonly StepResult[];
      readonly warnings: readonly string[];
    }
  | {
      readonly allowed: false;
      readonly id: string;
      readonly failure: Failure;
      /** Name of the step that refused. */
      readonly step: string;
      /** What was known of the caller by then. Claimed, not proven, unless the signature step had passed. */
      readonly caller?: { readonly id: string; readonly name?: string };
      readonly steps: readonly StepResult[];
    };

export interface StepResult {
  readonly step: string;
  readonly outcome: "passed" | "refused";
}
