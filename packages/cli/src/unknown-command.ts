import { AmeshError, mostSimilar, quoteForeign } from "@authmesh/core";
import type { VerbGroup } from "./find-verb.js";
import { verbs } from "./verbs.js";

/** @param group whose command it should be; without it, a command of amesh */
export function unknownCommand(word: string, group?: VerbGroup): AmeshError {
  const before = group === undefined ? "" : `${group.name} `;
  const meant = mostSimilar(word, candidates(group));
  const fix = meant === undefined ? "" : `Did you mean \`amesh ${before}${meant}\`? `;
  const kind = word.startsWith("-") ? "option" : "command";
  return new AmeshError("invalid_option", `There is no ${kind} ${quoteForeign(`${before}${word}`)}.`, {
    fix: `${fix}\`amesh ${before}--help\` lists them.`,
  });
}

/** The words that could stand in its place: those after a group's name, else those that commands begin with. */
const candidates = (group: VerbGroup | undefined): readonly string[] =>
  (group?.verbs ?? verbs).map(({ name }) => name.replace(/ .*/, ""));

export const commandMissing = ({ name }: VerbGroup): AmeshError =>
  new AmeshError("invalid_option", `\`amesh ${name}\` alone does nothing: it has commands of its own.`, {
    fix: `\`amesh ${name} --help\` lists them.`,
  });
