import { AmeshError, toBase64Url } from "@authmesh/core";
import { listOf, oneOf, type Reader, readDocument, record } from "@authmesh/core/records";
import { base64Url, base64UrlBytes } from "../../internal/members.js";
import { maxAreaLength } from "../commands.js";
import { maxCertificateLength } from "./certificate.js";
import { kindNames } from "./endorsement-key.js";

/** The three messages between a device and its verifier (docs/protocol.md, section 12). */

/** The endorsement key's own certificate, and four that lead to a root. */
export const maxCertificates = 5;

const area = base64UrlBytes(1, maxAreaLength);
const id = base64Url(22);

const claim = record({
  version: oneOf(1),
  key: area,
  attestationKey: area,
  endorsementKey: area,
  certificates: listOf(base64UrlBytes(1, maxCertificateLength), maxCertificates),
});
const challenge = record({
  version: oneOf(1),
  id,
  endorsementKey: oneOf(...kindNames),
  nonce: base64UrlBytes(32, 32),
  credential: record({ blob: base64UrlBytes(1, 256), seed: base64UrlBytes(1, 256) }),
});
const answer = record({
  version: oneOf(1),
  id,
  secret: base64UrlBytes(1, 64),
  statement: area,
  signature: base64UrlBytes(64, 64),
});

type Content<R> = R extends Reader<infer T> ? Omit<T, "version"> : never;
export type Claim = Content<typeof claim>;
export type Challenge = Content<typeof challenge>;
export type Answer = Content<typeof answer>;

const reading =
  <T>(shape: Reader<T>, name: string) =>
  (text: string): T => {
    // What arrives in a request has no type.
    if (typeof text !== "string") throw new AmeshError("attestation_refused", `The ${name} is not text.`);
    return readDocument(text, shape, "attestation_refused", `The ${name}`, { maxLength: 40_960 });
  };

/** @throws AmeshError `attestation_refused` */
export const readClaim: (text: string) => Claim = reading(claim, "claim");
/** @throws AmeshError `attestation_refused` */
export const readChallenge: (text: string) => Challenge = reading(challenge, "challenge");
/** @throws AmeshError `attestation_refused` */
export const readAnswer: (text: string) => Answer = reading(answer, "answer");

export const writeMessage = (content: Claim | Challenge | Answer): string =>
  JSON.stringify(encode({ version: 1, ...content }));

function encode(value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64Url(value);
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, encode(member)]));
}
