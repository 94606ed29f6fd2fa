/**
 * Nonces in Redis, for several instances that answer to one audience. Needs `ioredis` or `redis` beside it.
 *
 * @module
 */
export { openRedis } from "./open-redis.js";
export type { IoredisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from "./redis-client.js";
export { commandsOver as redisCommands } from "./redis-client.js";
export {
  type NonceStoreEvent,
  RedisNonceStore,
  type RedisNonceStoreOptions,
} from "./redis-nonce-store.js";
