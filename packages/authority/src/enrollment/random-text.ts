import type { Random } from "@authmesh/core";

/** Characters of an alphabet, each as likely as every other: bytes that would favour some are drawn again. */
export function randomText(random: Random, alphabet: string, length: number): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length)
    for (const byte of random(length))
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
  return text;
}
