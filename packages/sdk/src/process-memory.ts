import { InMemoryNonceStore, type NonceStore } from "@authmesh/core";
import { machine } from "#machine";
import type { Logger } from "./logger.js";
import { warnOnce } from "./warn-once.js";

let shared: InMemoryNonceStore | undefined;

/**
 * One store for all verifiers of the process, so that none accepts what another has seen. The logger is told where
 * other processes may serve the same audience, with memories of their own.
 *
 * @param what is remembered: "nonces"
 * @param remedy the call that gives them one store
 */
export function memoryOfThisProcess(
  logger: Logger,
  { what, remedy }: { readonly what: string; readonly remedy: string },
): NonceStore {
  if (machine.mayHaveSiblings()) {
    warnOnce(
      logger,
      `${what} are remembered in the memory of this process alone; if several instances serve one audience, ` +
        `give them one store: ${remedy}, from @authmesh/sdk/redis.`,
    );
  }
  shared ??= new InMemoryNonceStore();
  return shared;
}
