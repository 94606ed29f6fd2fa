import { type VerbRow, verbs } from "./verbs.js";

/** The verbs that share their first word. */
export interface VerbGroup {
  readonly name: string;
  /** Under the names that they have within the group. */
  readonly verbs: readonly VerbRow[];
}

/** What the first words of a command line name, and the words after it. A group alone wants one more. */
export type Named =
  | { readonly verb: VerbRow; readonly rest: readonly string[] }
  | { readonly group: VerbGroup; readonly rest: readonly string[] };

/** No verb has a longer name. */
const mostWords = 3;

/** @throws AmeshError `invalid_option` */
export async function findVerb(words: readonly string[]): Promise<Named> {
  const named = longest(words, (name) => verbs.find((verb) => verb.name === name));
  if (named !== undefined) return { verb: named.found, rest: named.rest };
  const { found: group, rest } = longest(words, groupOf) ?? { rest: words };
  const [next = ""] = rest;
  if (group !== undefined && (next === "" || next.startsWith("-"))) return { group, rest };
  const { unknownCommand } = await import("./unknown-command.js");
  throw unknownCommand(next, group);
}

/** What most of the first words name together, and the words after them. */
function longest<T>(
  words: readonly string[],
  find: (name: string) => T | undefined,
): { readonly found: T; readonly rest: readonly string[] } | undefined {
  for (let count = Math.min(mostWords, words.length); count > 0; count--) {
    const found = find(words.slice(0, count).join(" "));
    if (found !== undefined) return { found, rest: words.slice(count) };
  }
  return undefined;
}

function groupOf(name: string): VerbGroup | undefined {
  const prefix = `${name} `;
  const members = verbs.filter((verb) => verb.name.startsWith(prefix));
  if (members.length === 0) return undefined;
  return { name, verbs: members.map((verb) => ({ ...verb, name: verb.name.slice(prefix.length) })) };
}
