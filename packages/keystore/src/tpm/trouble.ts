import { AmeshError, type ErrorCode } from "@authmesh/core";

/**
 * Why a TPM did not do what it was asked, in a few plain words: "no /dev/tpmrm0". Never leaves this package: the
 * driver shows the words as the reason of a detection, or makes the error of the catalogue.
 */
export class TpmTrouble extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, reason: string, options?: { fix?: string; cause?: unknown }) {
    super(reason, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fix = options?.fix;
  }

  toAmeshError(): AmeshError {
    const fix = this.fix === undefined ? {} : { fix: this.fix };
    return new AmeshError(this.code, `The TPM cannot be used: ${this.message}.`, { ...fix, cause: this });
  }
}

/** What came back cannot be what a TPM 2.0 sends. */
export const notATpm = (problem: string) =>
  new TpmTrouble("key_store_unavailable", `what answers is no TPM 2.0: ${problem}`);
