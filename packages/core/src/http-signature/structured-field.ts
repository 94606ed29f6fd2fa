import { type Dictionary, parseDictionary } from "structured-headers";
import { AmeshError } from "../errors.js";

const printable = /^[\t\x20-\x7e]*$/;

/** Refuses what cannot be read as RFC 9421 and section 3 of docs/protocol.md want it. `what` is a half-sentence. */
export const unreadable = (what: string): AmeshError =>
  new AmeshError("malformed_header", `The HTTP signature cannot be read: ${what}.`, {
    fix: "Send Signature-Input, Signature and Content-Digest as docs/protocol.md, section 3, describes them.",
  });

/**
 * Reads a field that is a dictionary (RFC 9651, 3.2). Several lines of one field are one value.
 *
 * @param longest characters of all lines together
 * @throws AmeshError `malformed_header`
 */
export function readDictionary(name: string, lines: readonly string[], longest: number): Dictionary {
  const value = lines.join(", ");
  if (value.length > longest) throw unreadable(`${name} is longer than ${longest} characters`);
  // What the parser takes for white space, others may not.
  if (!printable.test(value)) throw unreadable(`${name} is not plain ASCII`);
  try {
    return parseDictionary(value);
  } catch {
    throw unreadable(`${name} is not a dictionary of structured fields`);
  }
}
