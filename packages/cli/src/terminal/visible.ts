/** Foreign text for a terminal: what would move the cursor or reorder the line is spelt out. */
export const visible = (text: string): string =>
  text.replace(
    /\r(?!\n)|[^\P{Cc}\r\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  );
