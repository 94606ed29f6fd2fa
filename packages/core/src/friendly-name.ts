import { AmeshError } from "./errors.js";

// Control, format (bidi marks, zero-width joiners), lone surrogates, line breaks, and what renders as nothing.
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * A device's name as people may safely be shown it (docs/protocol.md, section 5): control, bidi and zero-width
 * characters removed, outer spaces trimmed, NFC, 1 to 64 code points. Two names that look empty or alike because
 * of characters nobody sees cannot arise.
 *
 * @returns the cleaned name; cleaning it again changes nothing
 * @throws AmeshError `invalid_name` when nothing is left or more than 64 code points are
 */
export function friendlyName(text: string): string {
  const name = text.replace(invisible, "").normalize("NFC").trim();
  const length = [...name].length;
  if (length === 0) throw new AmeshError("invalid_name", "The name has no visible character.");
  if (length > 64) throw new AmeshError("invalid_name", `The name has ${length} characters, 64 are allowed.`);
  return name;
}
