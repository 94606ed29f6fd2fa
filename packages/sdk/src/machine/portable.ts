import type { Machine } from "./machine.js";

export const machine: Machine = {
  localTrust() {
    throw new TypeError("allowList: there are no files on this runtime; give a TrustStore.");
  },
  localFeed() {
    throw new TypeError("authority: there are no files on this runtime to keep a copy of its feed in.");
  },
  leaveFeed: async () => {},
  localPolicy() {
    throw new TypeError("policy: there are no files on this runtime; give a PolicyEngine.");
  },
  // Some forbid it.
  fetchesAtLoad: false,
  // Such runtimes start instances as they please.
  mayHaveSiblings: () => true,
  contentEncodings: new Set(),
  // Nothing encoded gets here: no encoding can be allowed.
  checkDecodedSize: async () => {},
};
