/**
 * An authority's state without what serves it, for commands beside a running authority: they start without the server's
 * modules.
 *
 * @module
 */
export { authorityFolder } from "./command-line.js";
export { openKeyRing } from "./keys/open-key-ring.js";
export { type AuthorityState, openAuthorityState, type StateOptions } from "./open-state.js";
