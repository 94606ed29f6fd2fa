import type { PublicJwk } from "@authmesh/oath";

/**
 * The life of a signing key (docs/protocol.md, section 8.9). One key at a time is next and one is active; every key
 * but a gone one is published.
 */
export const keyStates = ["next", "active", "retiring", "gone"] as const;
export type KeyState = (typeof keyStates)[number];

/** A signing key as the database has it. Times are Unix seconds. */
export interface SigningKey {
  /** Its thumbprint, so that it is the same at every start. */
  readonly kid: string;
  readonly state: KeyState;
  /** Since when it has been in that state. */
  readonly since: number;
  readonly createdAt: number;
  readonly publicJwk: PublicJwk;
  /** The private key under the sealing key; gone once the key signs no more. */
  readonly sealed?: string | undefined;
}
