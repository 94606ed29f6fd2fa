/**
 * Nonces in Redis, for several instances that answer to one audience, and what a fleet revokes. Needs `ioredis` or `redis` beside it.
 *
 * @module
 */
export type { FleetStatus } from "../device-revocations.js";
export { type AnnounceOptions, announceRevocation } from "./announce-revocation.js";
export { openRedis } from "./open-redis.js";
export type { IoredisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from "./redis-client.js";
export { commandsOver as redisCommands } from "./redis-client.js";
export {
  type NonceStoreEvent,
  RedisNonceStore,
  type RedisNonceStoreOptions,
} from "./redis-nonce-store.js";
export { RedisRevocations, type RedisRevocationsOptions } from "./redis-revocations.js";
