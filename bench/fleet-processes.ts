/** One API of a fleet, in a process of its own (roles.ts): who guards it, and where it remembers nonces. */
import { createServer, type RequestListener } from "node:http";
import { protect } from "@authmesh/sdk/node";
import { RedisNonceStore } from "@authmesh/sdk/redis";
import { listening, play } from "./roles.js";

const answer: RequestListener = (_, response) =>
  void response.writeHead(200, { "Content-Type": "application/json" }).end('{"ok":true}');

/** What an API that verifies is told. */
export interface FleetSettings {
  /** A folder. */
  readonly identity: string;
  readonly audience: string;
  readonly clockSkewSeconds: number;
  /** Absent: it remembers by itself. */
  readonly redisUrl?: string;
}

await play({
  unguarded: () => listening(createServer(answer)),
  guarded(settings) {
    const { redisUrl, identity, ...rest } = JSON.parse(settings) as FleetSettings;
    const shared = redisUrl === undefined ? {} : { nonceStore: new RedisNonceStore(redisUrl) };
    return listening(createServer(protect(answer, { ...rest, allowList: identity, ...shared })));
  },
});
