import { crypto } from "#crypto";
import { type Delegation, readDelegation } from "../delegation.js";
import type { Failure } from "../errors.js";
import type { PublicKey } from "../public-key.js";

/** A delegation as a request brings it. */
export interface PresentedDelegation {
  readonly delegation: Delegation;
  /** SHA-256 of its text. */
  readonly digest: string;
  /** The device key that was found to have signed it, in base64; undefined until then. */
  signer: string | undefined;
}

/**
 * Delegations whose signatures were found right, so that each is checked once (docs/protocol.md, section 4). Bounded:
 * the one that was checked longest ago leaves first, and is checked again when it comes again. It says nothing of
 * clock, audience and trust, which are asked for every request.
 */
export class DelegationCache {
  readonly #now: () => number;
  readonly #most: number;
  readonly #checked = new Map<string, PresentedDelegation>();

  /** @param now milliseconds since the epoch; `most` how many are kept */
  constructor(now: () => number, most = 4096) {
    this.#now = now;
    this.#most = most;
  }

  get size(): number {
    return this.#checked.size;
  }

  /** @returns the delegation, checked or not, or the failure `delegation_invalid` */
  read(text: string): PresentedDelegation | Failure {
    const digest = crypto.sha256Hex(text);
    const known = this.#checked.get(digest);
    if (known !== undefined) return known;
    const delegation = readDelegation(text);
    return "code" in delegation ? delegation : { delegation, digest, signer: undefined };
  }

  /** Whether the device with this key signed it, and the session key agreed. */
  isSignedBy(presented: PresentedDelegation, deviceKey: PublicKey): boolean {
    if (presented.signer === deviceKey.base64) return true;
    if (!presented.delegation.isSignedBy(deviceKey)) return false;
    presented.signer = deviceKey.base64;
    this.#keep(presented);
    return true;
  }

  #keep(presented: PresentedDelegation): void {
    const seconds = this.#now() / 1000;
    for (const [digest, { delegation }] of this.#checked) {
      if (this.#checked.size < this.#most && delegation.expiresAt > seconds) break;
      this.#checked.delete(digest);
    }
    this.#checked.set(presented.digest, presented);
  }
}
