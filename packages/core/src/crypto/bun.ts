import { crypto as node } from "./node.js";
import { crypto as portable } from "./portable.js";
import type { CryptoProvider } from "./provider.js";

/** Bun's `node:crypto` has no ChaCha20-Poly1305. */
export const crypto: CryptoProvider = { ...node, seal: portable.seal, open: portable.open };
