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

/** Commands, and word of connections. */
export interface RedisConnection extends RedisCommands {
  /**
   * Tells a listener of each connection that comes to be, if the client does.
   *
   * @returns what takes the listener away again
   */
  onReady(listener: () => void): () => void;
}

/** What an application already has. */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster;

/**
 * Commands over the client of an application, which stays the application's: it is not closed.
 *
 * @throws TypeError for what is none, and for a cluster that would read what was just written from a replica
 */
export function commandsOver(client: RedisClient): RedisConnection {
  const common = { close: async () => {}, onReady: readinessOf(client) };
  if (isIoredis(client)) {
    const { scaleReads = "master" } = client.options as { scaleReads?: unknown };
    if (client.isCluster && scaleReads !== "master")
      throw new TypeError('client: the cluster\'s scaleReads must be "master".');
    return { send: (_key, [name, ...args]) => client.call(name, args), ...common };
  }
  if (isNodeRedisCluster(client)) {
    return { send: (key, command) => client.sendCommand(key, false, [...command]), ...common };
  }
  if (typeof (client as Partial<NodeRedisClient> | undefined)?.sendCommand !== "function")
    throw new TypeError("client must be a client or a cluster of ioredis or redis.");
  return { send: (_key, command) => client.sendCommand([...command]), ...common };
}

/** A cluster of node-redis tells of its nodes, the others of themselves. */
const readyEvents = ["ready", "node-ready"];

interface Emitter {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

function readinessOf(client: RedisClient): RedisConnection["onReady"] {
  return (listener) => {
    const emitter = client as Partial<Emitter>;
    for (const event of readyEvents) emitter.on?.(event, listener);
    return () => {
      for (const event of readyEvents) emitter.off?.(event, listener);
    };
  };
}

const isIoredis = (client: RedisClient): client is IoredisClient =>
  typeof (client as Partial<IoredisClient> | undefined)?.call === "function";

const isNodeRedisCluster = (client: RedisClient): client is NodeRedisCluster =>
  typeof (client as Partial<NodeRedisCluster> | undefined)?.nodeClient === "function";
