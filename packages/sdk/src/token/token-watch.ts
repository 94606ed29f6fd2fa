import { AmeshError, failure, isoTime } from "@authmesh/core";
import type { RevocableToken, RevocationSource } from "@authmesh/oath";
import { CallerWatch, type Standing } from "../caller-watch.js";

export interface TokenWatchOptions {
  /** Who is asked whether a token was revoked. Once a second at most, and about each token once, however many connections it opened. */
  readonly revocations: RevocationSource | undefined;
  /** Brings back what the answer comes from, if that can be done. */
  readonly ready: () => Promise<void>;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

export interface WatchedToken extends RevocableToken {
  /** Unix seconds. */
  readonly exp: number;
}

/**
 * Watches tokens that were let in. A connection ends at the token's `exp` by the clock of this machine: a verifier's leeway is for one request
 * that was on its way, not for what goes on. While nobody can say whether a token was revoked, it counts as if it were.
 */
export function watchTokens({
  revocations,
  ready,
  now = Date.now,
}: TokenWatchOptions): CallerWatch<WatchedToken> {
  return new CallerWatch({
    ready,
    judge() {
      const answers = new Map<string, Standing | Promise<Standing>>();
      return (token) => {
        if (now() >= token.exp * 1000)
          return failure("token_expired", `The token ended at ${isoTime(token.exp)}.`);
        const name = JSON.stringify([token.iss, token.jti, token.kid]);
        if (!answers.has(name)) answers.set(name, revocation(revocations, token));
        return answers.get(name);
      };
    },
  });
}

function revocation(
  revocations: RevocationSource | undefined,
  token: RevocableToken,
): Standing | Promise<Standing> {
  try {
    const found = revocations?.find(token);
    return found instanceof Promise ? found.then(asStanding, unknown) : asStanding(found);
  } catch (error) {
    return unknown(error);
  }
}

const asStanding = (found: { readonly by: string } | undefined): Standing =>
  found && failure("revoked", `The token's ${found.by} has been revoked.`);

const unknown = (error: unknown): Standing =>
  error instanceof AmeshError
    ? error.failure
    : failure("unexpected_error", error instanceof Error ? error.message : String(error));
