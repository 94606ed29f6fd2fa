/**
 * The pairing relay: introduces two machines to each other and forgets them.
 *
 * @module
 */

export { defaultLimits, type RelayLimits } from "./limits.js";
export type { RelayAddress } from "./listen-on.js";
export { type RelayRun, runRelay } from "./main.js";
export type { RelayOptions } from "./relay-options.js";
export { createRelay, type Relay } from "./server.js";
