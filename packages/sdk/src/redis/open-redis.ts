import { AmeshError } from "@authmesh/core";
import { commandsOver, type RedisConnection } from "./redis-client.js";

/** Milliseconds in which a connection must come to be. */
const connectMs = 2000;
/** Milliseconds without an answer after which a connection is given up, and another one made. */
const silenceMs = 3000;
const reconnectMs = (attempts: number): number => Math.min(50 * 2 ** Math.min(attempts, 5), 1000);

/**
 * Opens a client of amesh's own to a Redis, with the library that is installed: ioredis, else redis.
 *
 * @param mostCommands that may wait in the client
 * @throws AmeshError `package_missing`
 */
export async function openRedis(url: string, mostCommands: number): Promise<RedisConnection> {
  for (const open of [openIoredis, openNodeRedis]) {
    try {
      return await open(url, mostCommands);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    }
  }
  throw new AmeshError("package_missing", "No client library for Redis is installed.", {
    fix: "npm install ioredis (with --global where amesh is installed so)",
  });
}

export async function openIoredis(url: string): Promise<RedisConnection> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url, {
    connectTimeout: connectMs,
    socketTimeout: silenceMs,
    retryStrategy: reconnectMs,
    // A command is sent once, over one connection; what waits for a connection fails with the attempt to make it.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  const commands = commandsOver(client);
  return { ...commands, send: explainedBy(client, commands), close: async () => client.disconnect() };
}

export async function openNodeRedis(url: string, mostCommands: number): Promise<RedisConnection> {
  const { createClient } = await import("redis");
  const client = createClient({
    url,
    commandsQueueMaxLength: mostCommands,
    // A socket may be idle for socketTimeout; the pings keep a healthy one from being given up.
    pingInterval: silenceMs / 3,
    socket: { connectTimeout: connectMs, socketTimeout: silenceMs, reconnectStrategy: reconnectMs },
  });
  const commands = commandsOver(client);
  const send = explainedBy(client, commands);
  client.connect().catch(() => {}); // It goes on trying; what is wrong reaches the listener of errors.
  return { ...commands, send, close: async () => client.destroy() };
}

/** While there is no connection, what keeps it from coming says more than that a command could not be sent. */
function explainedBy(
  client: { on(event: "error" | "ready", listener: (error?: unknown) => void): unknown },
  commands: RedisConnection,
): RedisConnection["send"] {
  let trouble: unknown;
  client.on("error", (error) => {
    trouble = error;
  });
  client.on("ready", () => {
    trouble = undefined;
  });
  return (key, command) =>
    commands.send(key, command).catch((error: unknown) => {
      throw trouble ?? error;
    });
}
