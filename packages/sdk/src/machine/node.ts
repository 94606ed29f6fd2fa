import cluster from "node:cluster";
import { decodeBody, knownContentEncodings } from "../body/decoded-body.js";
import { leaveFeed, localFeed } from "../feed/feeds.js";
import { LocalPolicy } from "../local-policy.js";
import { LocalTrust } from "../local-trust.js";
import type { Machine } from "./machine.js";

export const machine: Machine = {
  localTrust: (folder, logger) => new LocalTrust(folder, logger),
  localFeed,
  leaveFeed,
  localPolicy: (path, logger, onEvent) => new LocalPolicy(path, logger, onEvent),
  fetchesAtLoad: true,
  mayHaveSiblings: () => cluster.isWorker || process.env["NODE_ENV"] === "production",
  contentEncodings: knownContentEncodings,
  checkDecodedSize: async (body, contentEncoding, maxBytes) => {
    await decodeBody(Buffer.from(body.buffer, body.byteOffset, body.length), contentEncoding, maxBytes);
  },
};
