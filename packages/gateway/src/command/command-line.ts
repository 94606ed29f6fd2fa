import { parseArgs } from "node:util";
import { AmeshError, type JsonValue, quoteForeign } from "@authmesh/core";
import { asUsage, readInteger } from "@authmesh/core/server-program";
import type { Environment } from "@authmesh/keystore";
import { type CommandName, type Flag, type FlagName, flagRows } from "./flags.js";

/** What the flags that were given say: text, numbers, lists of text, true and false. */
export type FlagValues = ReadonlyMap<FlagName, JsonValue>;

export interface Arguments {
  readonly command: CommandName;
  readonly values: FlagValues;
  /** Of the configuration; undefined where flags are all there is. */
  readonly file: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

const commands: ReadonlySet<string> = new Set(["check", "schema", "authz"] satisfies CommandName[]);

const isCommand = (word: string): word is CommandName => commands.has(word);

/**
 * Reads the command line.
 *
 * @param argv beginning with the command, but for that which runs the gateway
 * @throws AmeshError `invalid_option`
 */
export function readArguments(argv: readonly string[], env: Environment): Arguments {
  const [first = ""] = argv;
  const command = isCommand(first) ? first : "serve";
  const rest = command === "serve" ? argv : argv.slice(1);
  const own = flagRows.filter(([, flag]) => flag.for.includes(command));
  const parsed = asUsage(() =>
    parseArgs({
      args: [...rest],
      options: {
        ...Object.fromEntries(own.map(([name, flag]) => [name, optionOf(flag)])),
        "no-input": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    }),
  );
  const given: Readonly<Record<string, unknown>> = parsed.values;
  const values = new Map(
    own.flatMap(([name, flag]): [FlagName, JsonValue][] => {
      const value = given[name];
      return value === undefined ? [] : [[name, saidBy(name, flag, value as string | string[] | boolean)]];
    }),
  );
  const file = fileOf(command, parsed.positionals, values, env);
  return { command, values, file, json: values.has("json"), help: given["help"] === true };
}

const optionOf = ({ value, many }: Flag) =>
  ({ type: value === undefined ? "boolean" : "string", multiple: many ?? false }) as const;

function saidBy(name: FlagName, flag: Flag, value: string | string[] | boolean): JsonValue {
  if (value === true) return flag.says ?? true;
  return flag.number ? readInteger(`--${name}`, value as string) : value;
}

/** @throws AmeshError `invalid_option` for several, and for flags that say what a file is to say */
function fileOf(
  command: CommandName,
  positionals: readonly string[],
  values: FlagValues,
  env: Environment,
): string | undefined {
  const named = [...positionals, ...[values.get("config") ?? []].flat().map(String)];
  if (command === "schema" && named.length > 0)
    throw usage(`${quoteForeign(named.join(" "))} has no place here.`);
  if (named.length > 1)
    throw usage(`There is one configuration, not ${named.map((name) => quoteForeign(name)).join(" and ")}.`);
  const beside = flagRows.filter(([name, { besideFile }]) => values.has(name) && !besideFile);
  const flagged = beside.map(([name]) => `--${name}`).join(", ");
  // Flags that say everything themselves count more than a variable that was set for another day.
  const file = named[0] ?? (beside.length === 0 ? env["AMESH_GATEWAY_CONFIG"] || undefined : undefined);
  if (file !== undefined && beside.length > 0)
    throw usage(`${flagged} cannot stand beside a configuration file: write it into ${quoteForeign(file)}.`);
  return file;
}

export const usage = (detail: string): AmeshError =>
  new AmeshError("invalid_option", detail, { fix: "--help explains the options." });
