import {
  AmeshError,
  decodeUtf8,
  type JsonObject,
  type Random,
  randomBytes,
  signableJws,
  toBase64Url,
} from "@authmesh/core";
import { claimProblem, claimRules, claimsOf } from "./claim-rules.js";
import { defaultLife, longestLife, type TokenClaims } from "./claims.js";
import { issuerProblem } from "./issuer-url.js";
import type { TokenSigner } from "./keys.js";
import { longestToken } from "./read-token.js";

/** What the issuer leaves to whoever asks for a token. */
export type ClaimsToMint = Omit<TokenClaims, "iss" | "iat" | "exp" | "jti">;

export interface MintOptions {
  /** The issuer's URL. */
  readonly issuer: string;
  readonly signer: TokenSigner;
  /** 1 to 300. Default 120. */
  readonly ttlSeconds?: number | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  readonly random?: Random | undefined;
}

export interface MintedToken {
  readonly token: string;
  readonly claims: TokenClaims;
}

/**
 * Mints a token (docs/protocol.md, section 8.1). Its `jti` has 128 random bits.
 *
 * @throws AmeshError `claim_missing`, `claim_invalid` for claims that no verifier would take, `token_malformed` for more
 *   of them than fit in a token; what the signer throws
 * @throws TypeError for a claim there is not, an issuer that is not a URL, and a life that is not 1 to 300 s
 */
export async function mintToken(given: ClaimsToMint, options: MintOptions): Promise<MintedToken> {
  const { issuer, signer, ttlSeconds = defaultLife, now = Date.now, random = randomBytes } = options;
  const problem = issuerProblem(issuer);
  if (problem !== undefined) throw new TypeError(`issuer: ${problem}.`);
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > longestLife)
    throw new TypeError(`ttlSeconds is an integer from 1 to ${longestLife}; it is ${ttlSeconds}.`);
  refuseOtherClaims(given);
  const iat = Math.floor(now() / 1000);
  const jti = toBase64Url(random(16));
  // What is undefined is not sent.
  const payload = JSON.parse(JSON.stringify({ ...given, iss: issuer, iat, exp: iat + ttlSeconds, jti }));
  const wrong = claimProblem(payload as JsonObject);
  if (wrong !== undefined) throw new AmeshError(wrong.code, wrong.detail);

  const { kid, alg } = signer.publicJwk;
  const signingInput = signableJws("om+jwt", alg, kid, payload);
  const token = `${decodeUtf8(signingInput)}.${toBase64Url(await signer.sign(signingInput))}`;
  if (token.length > longestToken)
    throw new AmeshError("token_malformed", `The token would have more than ${longestToken} characters.`);
  return { token, claims: claimsOf(payload) };
}

const ofTheIssuer = ["iss", "iat", "exp", "jti"];

/** A misspelt claim would silently leave the token without it. */
function refuseOtherClaims(given: object): void {
  const other = Object.keys(given).find(
    (name) => !Object.hasOwn(claimRules, name) || ofTheIssuer.includes(name),
  );
  if (other !== undefined) throw new TypeError(`${other} is not a claim that can be asked for.`);
}
