import { AmeshError, quoteForeign } from "@authmesh/core";
import { mostSimilar } from "./similar.js";
import type { VerbRow } from "./verbs.js";

export function unknownCommand(name: string, verbs: readonly VerbRow[]): AmeshError {
  const meant = mostSimilar(
    name,
    verbs.map((row) => row.name),
  );
  const fix = meant === undefined ? "" : `Did you mean \`amesh ${meant}\`? `;
  const kind = name.startsWith("-") ? "option" : "command";
  return new AmeshError("invalid_option", `There is no ${kind} ${quoteForeign(name)}.`, {
    fix: `${fix}\`amesh --help\` lists them.`,
  });
}
