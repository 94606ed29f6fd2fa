import type { NewKeyOptions, OpenIdentityOptions } from "@authmesh/keystore";

/** What every call of this module takes. */
export interface EnrollOptions extends OpenIdentityOptions {
  /**
   * URL of the authority: https, or http on loopback. Default: the one that this machine remembers since it was onboarded,
   * recovered, asked to be enrolled, or authenticated.
   */
  readonly authority?: string | undefined;
  /** Ends the wait for an answer; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** That many random bytes. Default: the system's. */
  readonly random?: ((length: number) => Uint8Array) | undefined;
}

/** What calls take that make this machine's identity where it has none (`createIdentity` of @authmesh/keystore). */
export interface NewMachineOptions extends EnrollOptions, NewKeyOptions {
  /** The authority's URL. It is remembered. */
  readonly authority: string;
  /** "@acme" */
  readonly account: string;
  /** 1 to 64 letters, digits and _ . - */
  readonly appName: string;
  /** As `appName`; also the friendly name of an identity that is made. */
  readonly deviceName: string;
}
