import { Misfit } from "@authmesh/core/records";
import { type ClaimRule, claimRules, type RevocationSubject } from "@authmesh/oath";
import type { Revocable } from "../authority-store.js";

/** What a token may have there: an entry of anything else would revoke nothing, and seem to. */
const rules: Readonly<Record<RevocationSubject, Pick<ClaimRule, "must" | "fits">>> = {
  sub: claimRules.sub,
  jti: claimRules.jti,
  kid: {
    must: "is the thumbprint of a key (RFC 7638), 43 characters",
    fits: (value) => typeof value === "string" && /^[\w-]{43}$/.test(value),
  },
  tenant: claimRules.tenant,
};

/** @throws Misfit for what no token can have */
export function checkRevocable({ by, value }: Revocable): void {
  const { fits, must } = rules[by];
  if (fits(value)) return;
  const pattern = value.includes("*")
    ? "Patterns do not work here: an entry is compared letter by letter. Name one whole, or revoke the device or the key behind them."
    : `Name the ${by} exactly as the token has it; \`amesh token inspect\` shows it.`;
  throw new Misfit(`value is no ${by}: it ${must}`, { fix: pattern });
}
