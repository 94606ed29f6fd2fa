import { Trouble } from "../internal/trouble.js";

/** Why a TPM did not do what it was asked. */
export class TpmTrouble extends Trouble {}

/** What came back cannot be what a TPM 2.0 sends. */
export const notATpm = (problem: string) =>
  new TpmTrouble("key_store_unavailable", `what answers is no TPM 2.0: ${problem}`);
