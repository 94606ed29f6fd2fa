/**
 * The trust feed (docs/protocol.md, section 9): what both of its ends read and write.
 *
 * @module
 */

export { EventStreamReader, type ServerEvent } from "./event-stream.js";
export * from "./feed-change.js";
export { FeedCopy, type FeedMark, type FeedName, type FeedOutcome } from "./feed-copy.js";
export { type FeedAnchor, FeedKeys } from "./feed-keys.js";
export { feedRevocations, type RevokingFeed } from "./feed-revocations.js";
export { type FeedRotation, feedKey, readFeedRotation } from "./feed-rotation.js";
export { FeedState, type ListedDevice } from "./feed-state.js";
export * from "./feed-statement.js";
export {
  type FeedEvent,
  type FeedStatus,
  type FollowedFeed,
  type FollowFeedOptions,
  followFeed,
} from "./follow-feed.js";
export {
  type KeptFeed,
  type KeptFeedHeader,
  keptFeedText,
  readKeptFeed,
  readKeptHeader,
} from "./kept-feed.js";
export { readSnapshot, type Snapshot } from "./read-snapshot.js";
export { signFeedRotation } from "./sign-feed-rotation.js";
export { signFeedStatement } from "./sign-feed-statement.js";
