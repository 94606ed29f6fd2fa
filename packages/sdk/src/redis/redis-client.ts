import type { RedisCommands } from "@authmesh/core";

/** A client or a cluster of ioredis 5 or 6. */
export interface IoredisClient {
  call(command: string, args: string[]): Promise<unknown>;
  readonly isCluster: boolean;
  readonly options: object;
}

/** A client of redis (node-redis) 5 or 6. It must be connected, or be connecting. */
export interface NodeRedisClient {
  sendCommand(command: string[]): Promise<unknown>;
  readonly isOpen: boolean;
}

/** A cluster of redis (node-redis) 5 or 6. It must be connected, or be connecting. */
export interface NodeRedisCluster {
  sendCommand(firstKey: string, isReadonly: boolean, command: string[]): Promise<unknown>;
  nodeClient(node: never): unknown;
}

/** What an application already has. */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster;

/**
 * Commands over the client of an application, which stays the application's: it is not closed.
 *
 * @throws TypeError for what is none, and for a cluster that would read what was just written from a replica
 */
export function commandsOver(client: RedisClient): RedisCommands {
  const close = async () => {};
  if (isIoredis(client)) {
    const { scaleReads = "master" } = client.options as { scaleReads?: unknown };
    if (client.isCluster && scaleReads !== "master")
      throw new TypeError('client: the cluster\'s scaleReads must be "master".');
    return { send: (_key, [name, ...args]) => client.call(name, args), close };
  }
  if (isNodeRedisCluster(client)) {
    return { send: (key, command) => client.sendCommand(key, false, [...command]), close };
  }
  if (typeof (client as Partial<NodeRedisClient> | undefined)?.sendCommand !== "function")
    throw new TypeError("client must be a client or a cluster of ioredis or redis.");
  return { send: (_key, command) => client.sendCommand([...command]), close };
}

const isIoredis = (client: RedisClient): client is IoredisClient =>
  typeof (client as Partial<IoredisClient> | undefined)?.call === "function";

const isNodeRedisCluster = (client: RedisClient): client is NodeRedisCluster =>
  typeof (client as Partial<NodeRedisCluster> | undefined)?.nodeClient === "function";
