import { AmeshError, type ErrorCode } from "@authmesh/core";
import type { KeyStoreDetection } from "../key-store.js";

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

/** What a detection says of a store that cannot be used; any other error stays what it is. */
export function notAvailable(error: unknown): KeyStoreDetection {
  if (!(error instanceof Trouble)) throw error;
  const { message: reason, fix } = error;
  return { available: false, reason, ...(fix !== undefined && { fix }) };
}
