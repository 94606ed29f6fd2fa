import { crypto } from "#crypto";
import type { RunningHash } from "./crypto/provider.js";
import type { BodyHashAlgorithm } from "./request.js";

export type { RunningHash };

/** SHA-256 of bytes, or of a text in UTF-8. */
export const sha256 = (data: Uint8Array | string): Uint8Array => crypto.sha256(data);

/** Likewise, in lower-case hex. */
export const sha256Hex = (data: Uint8Array | string): string => crypto.sha256Hex(data);

/** A hash of bytes that arrive in pieces. */
export const createRunningHash = (algorithm: BodyHashAlgorithm): RunningHash => crypto.createHash(algorithm);
