/**
 * The trust feed (docs/protocol.md, section 9): what both of its ends read and write.
 *
 * @module
 */

export * from "./feed-change.js";
export * from "./feed-statement.js";
export { signFeedStatement } from "./sign-feed-statement.js";
