import type { BareItem } from "structured-headers";
import { AmeshError } from "../errors.js";
import { deviceIdForm } from "../records.js";
import type { IncomingRequest } from "../request.js";
import { readMessageSignatures } from "./message-signatures.js";
import type { SignatureInput } from "./signature-base.js";
import { unreadable } from "./structured-field.js";

/** The signature by which a device proves a request (docs/protocol.md, section 3), read and not verified. */
export interface HttpSignature extends SignatureInput {
  /** Unix seconds. */
  readonly created: number;
  /** Unix seconds. */
  readonly expires: number;
  readonly nonce: string;
  /** Who signed: a device by its id, or whoever holds the key that a token names, by that key. */
  readonly keyid: string;
  /** Raw r‖s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** What tells a device's signature from others that a message may bear. */
export const ourTag = "amesh";
export const ourAlgorithm = "ecdsa-p256-sha256";
/** Seconds between `created` and `expires`. */
export const longestLife = 300;

// In a structured field this text has one spelling, and within a quoted text it cannot stand.
const tagged = new RegExp(`; *tag="${ourTag}"`);

/** Whether a request bears a signature with our tag, right or wrong. */
export const bearsHttpSignature = (request: Pick<IncomingRequest, "headers">): boolean =>
  request.headers("signature-input").some((line) => tagged.test(line));

type Rule = { readonly must: string; readonly fits: (value: BareItem) => boolean };

const matching = (pattern: RegExp) => (value: BareItem) => typeof value === "string" && pattern.test(value);
const seconds: Rule = {
  must: "are Unix seconds",
  fits: (value) => typeof value === "number" && Number.isInteger(value) && value > 0,
};

/** Every parameter, and beside these keyid, there must be; no other may be, since it might narrow what the signature is good for. */
const parameterRules: Readonly<Record<string, Rule>> = {
  created: seconds,
  expires: seconds,
  // Without a colon, which sets a device's nonces apart from another's in the nonce store.
  nonce: {
    must: "is 16 to 64 characters, letters, digits and +/=_.~-",
    fits: matching(/^[\w+/=.~-]{16,64}$/),
  },
  alg: { must: `is "${ourAlgorithm}"`, fits: (value) => value === ourAlgorithm },
  tag: { must: `is "${ourTag}"`, fits: (value) => value === ourTag },
};

/** How a signer is named. */
export type KeyIdKind = "device" | "key";

const keyIdRules: Readonly<Record<KeyIdKind, Rule>> = {
  device: { must: "is a device id", fits: matching(deviceIdForm) },
  key: { must: "is a compressed key in base64url", fits: matching(/^[\w-]{44}$/) },
};

const rulesFor = (kind: KeyIdKind): Readonly<Record<string, Rule>> => ({
  ...parameterRules,
  keyid: keyIdRules[kind],
});
const rules: Readonly<Record<KeyIdKind, Readonly<Record<string, Rule>>>> = {
  device: rulesFor("device"),
  key: rulesFor("key"),
};

/**
 * Reads the one signature with our tag, and holds its parameters to the profile.
 *
 * @throws AmeshError `malformed_header`, `ambiguous_proof`
 */
export function readHttpSignature(
  request: Pick<IncomingRequest, "headers">,
  kind: KeyIdKind = "device",
): HttpSignature {
  const ours = readMessageSignatures(request).filter(({ parameters }) => parameters.get("tag") === ourTag);
  const [only] = ours;
  if (only === undefined) throw unreadable(`no signature has the tag "${ourTag}"`);
  if (ours.length > 1)
    throw new AmeshError("ambiguous_proof", `${ours.length} signatures have the tag "${ourTag}".`);
  const { components, parameters, signature } = only;
  for (const [name, { must, fits }] of Object.entries(rules[kind])) {
    const value = parameters.get(name);
    if (value === undefined) throw unreadable(`the parameter ${name} is missing`);
    if (!fits(value)) throw unreadable(`the parameter ${name} is not as it must be: it ${must}`);
  }
  if (parameters.size > Object.keys(rules[kind]).length)
    throw unreadable(`it has other parameters than ${Object.keys(rules[kind]).join(", ")}`);
  const [created, expires] = ["created", "expires"].map((name) => parameters.get(name)) as [number, number];
  if (expires <= created || expires - created > longestLife)
    throw unreadable(`expires is not 1 to ${longestLife} s above created`);
  if (signature.length !== 64) throw unreadable("the signature has not 64 bytes");
  return {
    components,
    parameters,
    created,
    expires,
    nonce: parameters.get("nonce") as string,
    keyid: parameters.get("keyid") as string,
    signature,
  };
}

type Covered = Pick<IncomingRequest, "target" | "hasBody" | "headers">;

const always = () => true;
const present = (name: string) => (request: Covered) => request.headers(name).length > 0;

/** What a signature must cover, and when. It may cover more. */
const coverageRules: readonly { readonly name: string; readonly when: (request: Covered) => boolean }[] = [
  { name: "@method", when: always },
  { name: "@authority", when: always },
  { name: "@path", when: always },
  { name: "@query", when: ({ target }) => target.includes("?") },
  { name: "content-digest", when: ({ hasBody }) => hasBody },
  ...["content-type", "content-encoding", "authmesh-delegation"].map((name) => ({
    name,
    when: present(name),
  })),
];

/** The components that a signature over this request must cover. */
export const mustCover = (request: Covered): readonly string[] =>
  coverageRules.filter(({ when }) => when(request)).map(({ name }) => name);
