import fc from "fast-check";

const ascii = fc.nat({ max: 0x7f });
const anyUnit = fc.nat({ max: 0xffff });

/** Any text at all: half of its code units ASCII, lone surrogates among the others. */
export const anyText = (maxLength = 20): fc.Arbitrary<string> =>
  fc.string({ unit: fc.oneof(ascii, anyUnit).map((unit) => String.fromCharCode(unit)), maxLength });
