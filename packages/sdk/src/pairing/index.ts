/**
 * Pairing: how two machines come to trust each other through a relay that neither has to trust
 * (docs/protocol.md, sections 5 and 6).
 *
 * One machine listens and shows a code; the other is given it and shows a second one, which the first machine's
 * operator types in. Then the first lets the second call it.
 *
 * @module
 */

export type { PairingEvent, ShownDevice } from "./events.js";
export { invite } from "./invite.js";
export { type ListenOptions, listen } from "./listen.js";
export { defaultRelay, relayUrl } from "./relay-url.js";
export type { PairingOptions } from "./side.js";
export type { Asked, Operator } from "./target-acts.js";
