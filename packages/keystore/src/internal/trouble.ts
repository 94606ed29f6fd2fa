import { AmeshError, type ErrorCode } from "@authmesh/core";

/**
 * Why a device did not do what it was asked, in a few plain words: "no /dev/tpmrm0". Never leaves this package: a
 * driver shows the words as the reason of a detection, or makes the error of the catalogue.
 */
export class Trouble extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, reason: string, options?: { fix?: string; cause?: unknown }) {
    super(reason, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fix = options?.fix;
  }

  /** @param beginning what follows from it: "The TPM cannot be used" */
  toAmeshError(beginning: string): AmeshError {
    const fix = this.fix === undefined ? {} : { fix: this.fix };
    return new AmeshError(this.code, `${beginning}: ${this.message}.`, { ...fix, cause: this });
  }
}
