import { isInnerList } from "structured-headers";
import { quoteForeign } from "../errors.js";
import { type HttpMessage, readComponent, type SignatureInput } from "./signature-base.js";
import { readDictionary, unreadable } from "./structured-field.js";

/** One signature of a message, read and not verified. */
export interface MessageSignature extends SignatureInput {
  readonly label: string;
  readonly signature: Uint8Array;
}

/** Room for the signatures of several intermediaries beside the caller's. */
const longest = 4096;
const mostComponents = 32;

/**
 * Reads Signature-Input and Signature (RFC 9421, 4).
 *
 * @throws AmeshError `malformed_header`
 */
export function readMessageSignatures(message: Pick<HttpMessage, "headers">): readonly MessageSignature[] {
  const inputs = readDictionary("Signature-Input", message.headers("signature-input"), longest);
  const signatures = readDictionary("Signature", message.headers("signature"), longest);
  return [...inputs].map(([label, input]) => {
    if (!isInnerList(input)) throw unreadable(`${quoteForeign(label)} in Signature-Input is not a list`);
    const [items, parameters] = input;
    if (items.length > mostComponents)
      throw unreadable(`${quoteForeign(label)} covers more than ${mostComponents} components`);
    const components = items.map(([name, itsParameters]) => readComponent(name, itsParameters));
    if (new Set(components.map(({ identifier }) => identifier)).size < components.length)
      throw unreadable(`${quoteForeign(label)} covers a component twice`);
    const [signature] = signatures.get(label) ?? [];
    if (!(signature instanceof ArrayBuffer))
      throw unreadable(`there are no bytes for ${quoteForeign(label)} in Signature`);
    return { label, components, parameters, signature: new Uint8Array(signature) };
  });
}
