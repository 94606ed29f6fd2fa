import type { RevocableToken, RevocationKey, RevocationSubject } from "../revocation.js";

/** Every way to revoke, and what of a token it is about. */
export const revocationSubjects: {
  readonly [By in RevocationSubject]: (token: RevocableToken) => string | undefined;
} = {
  jti: ({ jti }) => jti,
  sub: ({ sub }) => sub,
  kid: ({ kid }) => kid,
  tenant: ({ tenant }) => tenant,
};

const subjects = Object.entries(revocationSubjects) as readonly (readonly [
  RevocationSubject,
  (token: RevocableToken) => string | undefined,
])[];

/** What a list is asked for to know whether a token was revoked. */
export function revocationKeysOf(token: RevocableToken): RevocationKey[] {
  return subjects.flatMap(([by, of]) => {
    const value = of(token);
    return value === undefined ? [] : [{ issuer: token.iss, by, value }];
  });
}
