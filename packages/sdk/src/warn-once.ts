import type { Logger } from "./logger.js";

const warned = new WeakMap<Logger, Set<string>>();
const mostWarnings = 1000;

/** Warns, unless this logger was told the same before. */
export function warnOnce(logger: Logger, message: string): void {
  const messages = warned.get(logger) ?? new Set();
  warned.set(logger, messages);
  if (messages.has(message) || messages.size >= mostWarnings) return;
  messages.add(message);
  logger.warn(message);
}
