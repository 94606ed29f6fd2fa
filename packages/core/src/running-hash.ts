import { crypto } from "#crypto";
import type { RunningHash } from "./crypto/provider.js";
import type { BodyHashAlgorithm } from "./request.js";

export type { RunningHash };

/** A hash of bytes that arrive in pieces. */
export const createRunningHash = (algorithm: BodyHashAlgorithm): RunningHash => crypto.createHash(algorithm);
