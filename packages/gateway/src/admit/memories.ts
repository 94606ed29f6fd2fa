import type { Failure, NonceStore } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { memoryOfThisProcess } from "@authmesh/sdk/guard";
import { RedisNonceStore } from "@authmesh/sdk/redis";
import { defaults } from "../config/defaults.js";
import type { VerificationSettings } from "../config/settings.js";
import type { Lease } from "./shared-parts.js";

/** What was accepted before. */
export interface Memories {
  readonly nonces: NonceStore;
  readonly usedTokens: NonceStore;
}

export interface MemoryScene {
  readonly lease: Lease;
  readonly logger: Logger;
  /** The settings whose place these take. */
  readonly before: VerificationSettings | undefined;
}

/** Whatever was made before this may have been accepted by a process that is gone. */
const processBegan = Math.floor(performance.timeOrigin / 1000);

/** Where it is remembered what was accepted. A memory that takes the place of another one knows nothing of what that had. */
export function openMemories(
  settings: VerificationSettings,
  { lease, logger, before }: MemoryScene,
): Memories {
  const { redisUrl } = settings;
  const store = storeOf(redisUrl, lease, logger);
  const since = redisUrl === undefined ? processBegan : undefined;
  const memory = (what: string, dependsOn: (settings: VerificationSettings) => readonly unknown[]) => {
    const own = dependsOn(settings);
    const opened = lease.take(what, own, () => new LimitedMemory(store, since));
    if (before !== undefined && String(dependsOn(before)) !== String(own)) {
      opened.acceptsFrom = Math.floor(Date.now() / 1000);
      logger.warn(`${what} are remembered elsewhere from now on; what was made before is refused`);
    }
    return opened;
  };
  return {
    nonces: memory("nonces", ({ redisUrl }) => [redisUrl]),
    usedTokens: memory("used tokens", (settings) => [settings.redisUrl, scopeOf(settings)]),
  };
}

const scopeOf = ({ tokens }: VerificationSettings): string =>
  tokens?.replayScope ?? defaults.tokens.replayScope;

function storeOf(redisUrl: string | undefined, lease: Lease, logger: Logger): NonceStore {
  if (redisUrl === undefined)
    return memoryOfThisProcess(logger, {
      what: "nonces and used tokens",
      remedy: "`redis` in the configuration of the gateway",
    });
  return lease.take(
    "nonce store",
    redisUrl,
    () => new RedisNonceStore({ redisUrl, logger }),
    (store) => store.close(),
  );
}

/** A store that is relied on for what was made after a Unix second. */
class LimitedMemory implements NonceStore {
  readonly #store: NonceStore;
  #since: number | undefined;

  constructor(store: NonceStore, since: number | undefined) {
    this.#store = store;
    this.#since = since;
  }

  get acceptsFrom(): number | undefined {
    const seconds = [this.#since, this.#store.acceptsFrom].filter((second) => second !== undefined);
    return seconds.length === 0 ? undefined : Math.max(...seconds);
  }

  set acceptsFrom(second: number) {
    this.#since = second;
  }

  get forgotAt(): number | undefined {
    return this.#store.forgotAt;
  }

  checkAndRecord(nonce: string, windowSeconds: number): Promise<boolean> {
    return this.#store.checkAndRecord(nonce, windowSeconds);
  }

  check(): Failure | undefined {
    return this.#store.check?.();
  }
}
