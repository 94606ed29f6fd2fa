import type { AmeshError, IncomingRequest } from "@authmesh/core";
import type { RouteSettings } from "../config/settings.js";

/** Who called, as the upstream is told (docs/protocol.md, section 14.4). */
export interface VerifiedCaller {
  readonly kind: "device" | "token";
  /** Device id, or `sub`. */
  readonly subject: string;
  readonly device?: string;
  readonly name?: string;
  readonly action?: string;
  /** "orders:rw", sorted. */
  readonly scopes: readonly string[];
  readonly issuer?: string;
  readonly tokenId?: string;
  readonly decisionId: string;
}

/** A request that may pass. */
export interface Admitted {
  /** Undefined on a route that is public. */
  readonly caller: VerifiedCaller | undefined;
  /**
   * Calls `lost` once, when the caller would no longer be let in: revoked, removed, expired, without its scope. Returns
   * the way to stop that.
   */
  watch(lost: (reason: AmeshError) => void): () => void;
}

/** What is answered to a request that may not pass. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Admission =
  | { readonly admitted: Admitted; readonly answer?: never }
  | { readonly admitted?: never; readonly answer: Answer };

/** Verifies what a route requires of a request. */
export interface Admitter {
  /** Never rejects: what fails within refuses the request. */
  admit(request: IncomingRequest, route: RouteSettings): Promise<Admission>;
  /** Why nobody can be let in now, for `/ready`; undefined when all is well. */
  notReady(): AmeshError | undefined;
  /** Writes down what waits to be told, and lets go of stores, feeds and files. */
  close(): Promise<void>;
}
