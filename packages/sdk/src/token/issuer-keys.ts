import { createJwksSource, type KeySource } from "@authmesh/oath";
import type { Logger } from "../logger.js";

/**
 * The keys of the trusted issuers. The log is told when one of them cannot be asked any more, and when it can again.
 *
 * @throws TypeError for URLs that keys may not come from
 */
export function issuerKeys(issuers: readonly string[], logger: Logger): KeySource {
  const away = new Set<string>();
  return createJwksSource({
    issuers,
    observe(event) {
      if (event.type === "fetched") {
        if (away.delete(event.issuer)) logger.warn(`the keys of ${event.issuer} can be fetched again`);
      } else if (!away.has(event.issuer)) {
        away.add(event.issuer);
        logger.warn(`the keys of ${event.issuer} cannot be fetched: ${event.reason}`);
      }
    },
  });
}
