import { AmeshError, type ErrorCode } from "@authmesh/core";

/** What a return code means for us (PKCS#11 2.40, section 5.1). */
interface Meaning {
  readonly reason: string;
  /** Default `key_store_unavailable`. */
  readonly code?: ErrorCode;
  readonly fix?: string;
  /** The module may do better once it is started anew: the token was away, or others changed it. */
  readonly isLost?: true;
}

const lost = (reason: string): Meaning => ({ reason, isLost: true });
const gone = lost("it is not in its slot");
const loggedOut = lost("somebody logged this program out");
const changed = lost("an object that was there a moment ago is gone");
const unlock = "Unblock it with its own tool and the SO PIN or PUK.";
const noSuchKeys = "it does not make keys for ECDSA with P-256";

const meanings: Readonly<Record<string, Meaning>> = {
  CKR_HOST_MEMORY: { reason: "the module has no memory left" },
  CKR_SLOT_ID_INVALID: gone,
  CKR_GENERAL_ERROR: lost("its module failed"),
  CKR_FUNCTION_FAILED: lost("it failed"),
  CKR_CANT_LOCK: { reason: "its module cannot be used by programs with several threads" },
  CKR_ATTRIBUTE_TYPE_INVALID: { reason: noSuchKeys },
  CKR_ATTRIBUTE_VALUE_INVALID: { reason: noSuchKeys },
  CKR_DEVICE_ERROR: lost("it reports an error"),
  CKR_DEVICE_MEMORY: { reason: "it has no room left", fix: "Delete what is not needed from it." },
  CKR_DEVICE_REMOVED: gone,
  CKR_FUNCTION_NOT_SUPPORTED: { reason: "its module lacks a function that is needed" },
  CKR_KEY_HANDLE_INVALID: changed,
  CKR_MECHANISM_INVALID: { reason: noSuchKeys },
  CKR_OBJECT_HANDLE_INVALID: changed,
  CKR_OPERATION_ACTIVE: lost("another operation is under way in the same session"),
  CKR_OPERATION_NOT_INITIALIZED: lost("it forgot what it was doing"),
  CKR_PIN_EXPIRED: { reason: "its PIN has expired", fix: "Set a new one with its own tool." },
  CKR_PIN_LOCKED: { reason: "too many wrong PINs have locked it", code: "key_store_locked", fix: unlock },
  CKR_SESSION_CLOSED: gone,
  CKR_SESSION_COUNT: { reason: "others use as many sessions as it has", code: "key_store_busy" },
  CKR_SESSION_HANDLE_INVALID: gone,
  CKR_TEMPLATE_INCONSISTENT: { reason: noSuchKeys },
  CKR_TOKEN_NOT_PRESENT: gone,
  CKR_TOKEN_NOT_RECOGNIZED: gone,
  CKR_TOKEN_WRITE_PROTECTED: { reason: "it is write-protected" },
  CKR_USER_NOT_LOGGED_IN: loggedOut,
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: { reason: "its security officer is logged in" },
  CKR_CRYPTOKI_NOT_INITIALIZED: lost("something else in this program has shut its module down"),
};

/** A failure that may be over once the module was started anew and the token looked for again. */
export class TokenLost extends AmeshError {}

/** "CKR_PIN_INCORRECT" of an error that pkcs11js made. */
export const returnCode = (error: unknown): string | undefined =>
  error instanceof Error ? /^CKR_[A-Z0-9_]+/.exec(error.message)?.[0] : undefined;

/** What a call of the module failed with, as an error of the catalogue; any other error stays what it is. */
export function refusal(error: unknown): unknown {
  const name = returnCode(error);
  if (name === undefined || error instanceof AmeshError) return error;
  const known = meanings[name];
  const { code = "key_store_unavailable", reason, fix, isLost }: Meaning = known ?? { reason: "it refuses" };
  const detail = `The token cannot be used: ${reason} (${known === undefined ? withNumber(error as Error, name) : name}).`;
  const options = { ...(fix && { fix }), cause: error };
  return isLost ? new TokenLost(code, detail, options) : new AmeshError(code, detail, options);
}

/** Codes of a vendor have no names. */
const withNumber = (error: Error & { readonly code?: unknown }, name: string) =>
  typeof error.code === "number" ? `${name} 0x${error.code.toString(16)}` : name;
