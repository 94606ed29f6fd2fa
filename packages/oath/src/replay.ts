/**
 * Remembers in the memory of one process which tokens were used (docs/protocol.md, section 8.6): the store of nonces by
 * the name that tokens have for it. Several processes need a shared one: `RedisNonceStore` of `@authmesh/sdk/redis`.
 */
export {
  InMemoryNonceStore as InMemoryReplayCache,
  type InMemoryNonceStoreOptions as InMemoryReplayCacheOptions,
} from "@authmesh/core";
