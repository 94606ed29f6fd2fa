import { AmeshError } from "@authmesh/core";
import type { Redis } from "ioredis";

/** What subscribes can do nothing else, so that there are two. */
export interface Connections {
  readonly commands: Redis;
  readonly subscriber: Redis;
}

/** Milliseconds in which a connection must come to be. */
const connectMs = 2_000;
/** Milliseconds without an answer after which a connection is given up, and another one made. */
const silenceMs = 5_000;
const reconnectMs = (attempts: number): number => Math.min(50 * 2 ** Math.min(attempts, 5), 1_000);

/** Begins to connect, and goes on trying. @throws AmeshError `package_missing` */
export async function openConnections(url: string): Promise<Connections> {
  const Client = await loadIoredis();
  const connect = () =>
    new Client(url, {
      connectTimeout: connectMs,
      socketTimeout: silenceMs,
      retryStrategy: reconnectMs,
      // What cannot be said at once is refused: a device waits for the answer, and nothing piles up.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
    });
  return { commands: connect(), subscriber: connect() };
}

async function loadIoredis(): Promise<typeof Redis> {
  try {
    return (await import("ioredis")).Redis;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new AmeshError("package_missing", "The client library for Redis is not installed.", {
      fix: "npm install ioredis (with --global where amesh is installed so)",
      cause,
    });
  }
}
