import { AmeshError } from "@authmesh/core";

const enough = 15;
const manyCharacters = 6;

/** Why whoever has the file would guess a passphrase soon. The first rule that applies is told. */
interface Weakness {
  readonly problem: string;
  readonly applies: (characters: readonly string[], names: readonly string[]) => boolean;
}

const weaknesses: readonly Weakness[] = [
  {
    problem: `it has fewer than ${enough} characters`,
    applies: ({ length }) => length < enough,
  },
  {
    problem: `it has fewer than ${manyCharacters} different characters`,
    applies: (characters) => new Set(characters).size < manyCharacters,
  },
  {
    problem: "most of it runs along the alphabet, the digits or the keyboard",
    applies: (characters, names) => isRun(characters) || isRun(withoutRepeats(without(names, characters))),
  },
  {
    problem: `it has fewer than ${enough} characters once what is repeated counts once`,
    applies: (characters) => withoutRepeats(characters).length < enough,
  },
  {
    problem: `it has fewer than ${enough} characters beside the device's name and words that everybody tries first`,
    applies: (characters, names) => withoutRepeats(without(names, characters)).length < enough,
  },
];

/**
 * Holds a passphrase against the table.
 *
 * @param names what anybody would try for this device: its name, its id
 * @throws AmeshError `passphrase_weak`, which says why and never what
 */
export function refuseWeakPassphrase(passphrase: string, names: readonly string[]): void {
  const characters = [...passphrase.toLowerCase()];
  const weakness = weaknesses.find(({ applies }) => applies(characters, names));
  if (weakness !== undefined)
    throw new AmeshError("passphrase_weak", `The passphrase is too easy to guess: ${weakness.problem}.`);
}

/** A shorter piece comes twice in many a good passphrase by chance. */
const shortestPiece = 4;

/** "trustno1x" of "trustno1trustno1x": what belongs to a piece that came before, from any place, is left out. */
function withoutRepeats(characters: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  const repeated = new Set<number>();
  for (let start = 0; start + shortestPiece <= characters.length; start++) {
    const piece = characters.slice(start, start + shortestPiece).join("");
    if (seen.has(piece)) for (let i = 0; i < shortestPiece; i++) repeated.add(start + i);
    seen.add(piece);
  }
  return characters.filter((_, i) => !repeated.has(i));
}

const rows = ["01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/** Whether more than half of the characters stand in a row beside the one before them, in either direction. */
function isRun(characters: readonly string[]): boolean {
  const neighbours = characters.filter((character, i) => {
    const before = characters[i - 1];
    return before !== undefined && rows.some((row) => standTogether(row, before, character));
  });
  return neighbours.length > characters.length / 2;
}

const standTogether = (row: string, a: string, b: string) => row.includes(a + b) || row.includes(b + a);

const obvious = [
  "correct horse battery staple",
  "correcthorsebatterystaple",
  "passphrase",
  "password",
  "passwort",
  "administrator",
  "admin",
  "letmein",
  "welcome",
  "iloveyou",
  "changeme",
  "secret",
  "master",
  "backup",
  "identity",
  "authmesh",
  "amesh",
];

/** A name of three letters stands in many a good passphrase by chance. */
const shortestName = 4;

function without(names: readonly string[], characters: readonly string[]): readonly string[] {
  const rest = [...names, ...obvious]
    .map((name) => name.toLowerCase())
    .filter((name) => name.length >= shortestName)
    .reduce((text, name) => text.replaceAll(name, ""), characters.join(""));
  return [...rest];
}
