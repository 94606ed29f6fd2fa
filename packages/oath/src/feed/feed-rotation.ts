import {
  AmeshError,
  fromBase64Url,
  type JsonObject,
  readJwsHeader,
  signableFeedRotationProof,
  splitCompactJws,
} from "@authmesh/core";
import { integer, Misfit, type Reader, readDocument, record, text, time } from "@authmesh/core/records";
import { importIssuerKey } from "../issuer-key.js";
import type { IssuerKey, PublicJwk } from "../keys.js";

/** That one feed key takes the place of another (docs/protocol.md, section 9.2). */
export interface FeedRotation {
  /** The authority's URL. */
  readonly iss: string;
  /** Thumbprint of the key that signs until then. */
  readonly old: string;
  readonly new: PublicJwk;
  /** Unix seconds. */
  readonly notBefore: number;
  /** 1 and up, without gaps. */
  readonly seq: number;
}

/** A rotation as it was read; only its form is known to be right. */
export interface ReadFeedRotation extends FeedRotation {
  /** The new key, imported. */
  readonly key: IssuerKey;
  /** Whether the old key, which signs it, is this one, and both keys agree. */
  readonly isBy: (old: IssuerKey) => boolean;
}

const longest = 4096;

/** A feed key as it is published. */
export const feedKey: Reader<PublicJwk> = (value, at) => {
  const { key, problem } = importIssuerKey(value);
  if (problem !== undefined) throw new Misfit(`${at} is no key: ${problem}`);
  if (key.alg !== "EdDSA") throw new Misfit(`${at} is not a key of Ed25519`);
  return value as unknown as PublicJwk;
};

const name = text(/^[A-Za-z0-9_-]{43}$/, "a thumbprint");
const signature: Reader<Uint8Array> = (value, at) => {
  const bytes = typeof value === "string" ? fromBase64Url(value) : undefined;
  if (bytes?.length !== 64) throw new Misfit(`${at} is not a signature in base64url`);
  return bytes;
};
const readPayload = record({
  iss: text(/^https?:\/\/[\x21-\x7e]{1,255}$/, "a URL"),
  old: name,
  new: feedKey,
  notBefore: time,
  seq: integer(1, Number.MAX_SAFE_INTEGER),
  proof: signature,
});

/** @throws AmeshError `feed_malformed` */
export function readFeedRotation(jws: string): ReadFeedRotation {
  const parts = splitCompactJws(jws, longest);
  if (typeof parts === "string") throw malformed(parts);
  const header = readJwsHeader(parts.header, "amesh-feed-rotation+jwt", ["EdDSA"]);
  if (header.problem !== undefined) throw malformed(header.problem);
  const { proof, ...rotation } = readDocument(parts.payload, readPayload, "feed_malformed", what);
  if (header.kid !== rotation.old) throw malformed("its kid is not the old key's");
  const key = importedFeedKey(rotation.new);
  const proven = signableFeedRotationProof({ ...rotation, next: key.kid });
  return {
    ...rotation,
    key,
    isBy: (old) =>
      old.kid === rotation.old &&
      old.verify(parts.signingInput, parts.signature) &&
      key.verify(proven, proof),
  };
}

/** @throws TypeError for what is no key: it was read by `feedKey` */
export function importedFeedKey(jwk: PublicJwk): IssuerKey {
  const { key, problem } = importIssuerKey(jwk as unknown as JsonObject);
  if (key === undefined) throw new TypeError(`This is no feed key: ${problem}.`);
  return key;
}

const what = "The rotation of the feed key";
const malformed = (problem: string): AmeshError =>
  new AmeshError("feed_malformed", `${what} is refused: ${problem}.`);
