import type { Failure } from "./errors.js";

/** Remembers nonces, so that a request is accepted once. */
export interface NonceStore {
  /**
   * True when the nonce was not recorded before; it is recorded by the same, atomic act.
   *
   * @param nonce unique text; what stands before its last colon is the owner whose share is counted
   * @param windowSeconds how long to remember it
   * @throws AmeshError `replay_store_full`, `replay_store_unavailable`
   */
  checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean>;
  /** Requests stamped at or before this Unix second are refused: the store may have forgotten their nonces. */
  readonly acceptsFrom?: number | undefined;
  /**
   * The Unix second in which a shared store was found to have lost what it remembered. What may have been accepted
   * before is refused with 503: everything stamped at or before it, plus the skew that clocks may have, plus 10 s for
   * instances whose clocks differ. Read again after every check, for it is by a check that a store finds out.
   */
  readonly forgotAt?: number | undefined;
  /** Why nothing can be recorded now, as far as is known without asking; undefined when all is well. */
  check?(): Failure | undefined;
  close?(): Promise<void>;
}
