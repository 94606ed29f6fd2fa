import { quoteForeign } from "@authmesh/core";
import type { TokenRefused } from "@authmesh/oath";
import type { LoggedRefusal } from "../refusal-log.js";

/**
 * Only a token that came as far as policy was shown for the first time, by one who may: a copy of it has a good
 * signature too, and must fill no log.
 */
export const isProven = ({ failure }: TokenRefused): boolean => failure.step === 14;

/** A refused token as the log tells of it. */
export function loggedTokenRefusal(refused: TokenRefused): LoggedRefusal {
  const { id, failure, claimed } = refused;
  const { iss, sub, jti } = claimed?.claims ?? {};
  const said = { issuer: iss, subject: sub, token: jti };
  return {
    id,
    failure,
    step: String(failure.step),
    proven: isProven(refused),
    caller: {
      error: failure.error,
      ...Object.fromEntries(
        Object.entries(said).flatMap(([name, value]) =>
          typeof value !== "string"
            ? []
            : [[claimed?.verified ? name : `unverified ${name}`, quoteForeign(value)]],
        ),
      ),
    },
  };
}
