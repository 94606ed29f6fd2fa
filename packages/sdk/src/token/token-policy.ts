import type { PolicyEngine } from "@authmesh/oath";
import type { Logger } from "../logger.js";

/**
 * The policy that an option names. Without one nobody is let in, and the log says so.
 *
 * @throws TypeError for what is no policy, and for a path on a machine without files
 */
export function policyOf(
  policy: PolicyEngine | string | undefined,
  logger: Logger,
): PolicyEngine | "none" | undefined {
  if (policy === undefined) {
    logger.error(
      "no policy is given, so every token is refused: verifyToken({ policy }) takes a policy, " +
        'or "none" to let every verified token in.',
    );
    return undefined;
  }
  if (policy === "none") return "none";
  if (typeof policy === "string") throw new TypeError('policy must be a PolicyEngine or "none".');
  return policy;
}
