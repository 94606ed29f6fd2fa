import { crypto } from "#crypto";
import { canonicalJson, type JsonObject } from "../canonical-json.js";
import { Ed25519PrivateKey } from "../ed25519.js";
import { fromBase64Url, toBase64Url, utf8 } from "../encoding.js";
import { sha256 } from "../hash.js";
import type { Random } from "../key-agreement.js";
import { listOf, type RecordOf, record, text } from "../records.js";
import { type Signable, signableAccountClaim } from "../signable.js";
import { labelText } from "./enrollment-names.js";

/** What is claimed with an account's first secret, or with a recovery code (docs/protocol.md, section 10.4). */
const detailsShape = {
  appName: labelText,
  deviceName: labelText,
  /** Digests of recovery codes, see `recoveryDigest`. */
  recovery: listOf(text(/^[\w-]{43}$/, "a digest, 32 bytes in base64url"), 16),
};

export type AccountClaimDetails = Readonly<RecordOf<typeof detailsShape>>;

/** @throws Misfit */
export const readAccountClaimDetails = record(detailsShape);

export interface AccountClaim {
  /** The authority's, as the client dialled it. */
  readonly origin: string;
  readonly account: string;
  readonly challenge: string;
  /** The device's compressed point. */
  readonly publicKey: Uint8Array;
  readonly details: AccountClaimDetails;
}

/** What both keys sign to onboard, and the device's key to recover. */
export const signableClaimOf = (by: "onboard" | "recover", { details, ...claim }: AccountClaim): Signable =>
  signableAccountClaim(by, {
    ...claim,
    details: sha256(canonicalJson(details as unknown as JsonObject)),
  });

const secretPrefix = "amesh_once_";

/** The secret by which an account is claimed once: 32 random bytes. */
export const newAccountSecret = (random: Random): string => secretPrefix + toBase64Url(random(32));

/** Whether a text has the form of such a secret. */
export const isAccountSecret = (text: string): boolean =>
  text.startsWith(secretPrefix) && fromBase64Url(text.slice(secretPrefix.length))?.length === 32;

/**
 * The key that both sides derive from the secret; the authority keeps its public half alone.
 *
 * @throws TypeError unless `isAccountSecret`
 */
export function accountSecretKey(secret: string, account: string): Ed25519PrivateKey {
  const bytes = isAccountSecret(secret) ? fromBase64Url(secret.slice(secretPrefix.length)) : undefined;
  if (bytes === undefined) throw new TypeError("This is not the secret of an account.");
  const seed = crypto.hkdfSha256(bytes, utf8(account), utf8("amesh/onboard/1"), 32);
  try {
    return Ed25519PrivateKey.fromSeed(seed);
  } finally {
    seed.fill(0);
    bytes.fill(0);
  }
}
