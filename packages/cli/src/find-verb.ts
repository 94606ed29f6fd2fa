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

/** @throws AmeshError `invalid_option` */
export async function findVerb(words: readonly string[]): Promise<Named> {
  const [first = "", second = ""] = words;
  const named = (name: string) => verbs.find((verb) => verb.name === name);
  const verb = named(`${first} ${second}`);
  if (verb !== undefined) return { verb, rest: words.slice(2) };
  const alone = named(first);
  if (alone !== undefined) return { verb: alone, rest: words.slice(1) };
  const group = groupOf(first);
  if (group !== undefined && (second === "" || second.startsWith("-")))
    return { group, rest: words.slice(1) };
  const { unknownCommand } = await import("./unknown-command.js");
  throw group === undefined ? unknownCommand(first) : unknownCommand(second, group);
}

function groupOf(name: string): VerbGroup | undefined {
  const prefix = `${name} `;
  const members = verbs.filter((verb) => verb.name.startsWith(prefix));
  if (members.length === 0) return undefined;
  return { name, verbs: members.map((verb) => ({ ...verb, name: verb.name.slice(prefix.length) })) };
}
