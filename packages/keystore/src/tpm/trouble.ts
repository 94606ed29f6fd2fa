import type { AmeshError, ErrorCode } from "@authmesh/core";
import { Trouble } from "../internal/trouble.js";

const beginnings: Partial<Readonly<Record<ErrorCode, string>>> = {
  attestation_unavailable: "The TPM cannot prove its key to others",
  attestation_refused: "The TPM refuses to answer",
};

/** Why a TPM did not do what it was asked. */
export class TpmTrouble extends Trouble {
  override toAmeshError(): AmeshError {
    return super.toAmeshError(beginnings[this.code] ?? "The TPM cannot be used");
  }
}

/** What came back cannot be what a TPM 2.0 sends. */
export const notATpm = (problem: string) =>
  new TpmTrouble("key_store_unavailable", `what answers is no TPM 2.0: ${problem}`);
