/**
 * The copies of trust feeds (docs/protocol.md, section 9.4) that this machine follows and keeps.
 *
 * @module
 */

export type { FeedStatus, KeptFeedHeader } from "@authmesh/oath/feed";
export type { AuthorityOption, FeedOptions } from "./authority-option.js";
export { FeedFiles, type KeptFeeds } from "./feed-files.js";
export type { FeedPin } from "./feed-pin.js";
export { closeFeeds, feedStatuses } from "./feeds.js";
