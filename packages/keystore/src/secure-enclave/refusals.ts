import { type ErrorCode, quoteForeign } from "@authmesh/core";
import { Trouble } from "../internal/trouble.js";
import { buildAndSign } from "./helper-path.js";

interface Meaning {
  readonly reason: string;
  /** Default `key_store_unavailable`. */
  readonly code?: ErrorCode;
  readonly fix?: string;
}

/** What the helper answers in place of a result, and what it means for us (docs/protocol.md, section 11). */
const meanings = {
  bad_request: { reason: "the helper does not understand what it is asked", fix: buildAndSign },
  unsupported_version: { reason: "the helper is of another version", fix: buildAndSign },
  no_enclave: { reason: "this Mac has no Secure Enclave" },
  not_signed: { reason: "binary not signed", fix: buildAndSign },
  locked: {
    reason: "nobody has logged in since this Mac was started",
    code: "key_store_locked",
    fix: "Log in once; the key can be used from then on, also while the screen is locked.",
  },
  key_refused: {
    reason:
      "the key was made by another Secure Enclave, or by this one before it was erased, or its file was changed",
    code: "key_store_changed",
  },
  failed: { reason: "the Secure Enclave fails" },
} as const satisfies Readonly<Record<string, Meaning>>;

export type RefusalCode = keyof typeof meanings;
export const refusalCodes = Object.keys(meanings) as RefusalCode[];

/** @param detail what the system said, as the helper passes it on */
export function refused(refusal: RefusalCode, detail: string | undefined): Trouble {
  const { reason, code = "key_store_unavailable", fix }: Meaning = meanings[refusal];
  const more = detail === undefined ? "" : ` (${quoteForeign(detail)})`;
  return new Trouble(code, reason + more, fix === undefined ? {} : { fix });
}

/** What came back is nothing that the helper sends, or is not true. */
export const notTheHelper = (problem: string, cause?: unknown) =>
  new Trouble("key_store_unavailable", `what answers is not the helper: ${problem}`, {
    fix: buildAndSign,
    cause,
  });
