import { crypto } from "#crypto";
import type { Sha256 } from "./crypto/provider.js";

export type { Sha256 };

/** SHA-256 of bytes that arrive in pieces. */
export const createSha256 = (): Sha256 => crypto.createSha256();
