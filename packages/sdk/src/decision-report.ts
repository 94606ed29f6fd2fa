import type { IncomingRequest } from "@authmesh/core";
import type { Logger } from "./logger.js";
import type { DecidedRequest } from "./verify-options.js";

/** Tells an application's listener of a decision. What it throws, or rejects with, is logged and changes nothing. */
export async function reportDecision<Decision>(
  listener: ((decision: Decision, request: DecidedRequest) => void | Promise<void>) | undefined,
  decision: Decision,
  { method, target }: Pick<IncomingRequest, "method" | "target">,
  durationMs: number,
  logger: Logger,
): Promise<void> {
  try {
    await listener?.(decision, { method, target, durationMs });
  } catch (error) {
    logger.error("onDecision failed", { message: error instanceof Error ? error.message : String(error) });
  }
}

/** What a verifier has no name for is for the log alone. */
export function logUnexpected(error: unknown, logger: Logger): void {
  logger.error("the verifier failed", { error: error instanceof Error ? error.stack : String(error) });
}
