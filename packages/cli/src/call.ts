import { AmeshError, quoteForeign } from "@authmesh/core";
import { Command, CommanderError, Option } from "commander";
import { commonOptions, type Manual, type OptionManual } from "./manual.js";
import { Terminal } from "./terminal/terminal.js";
import type { VerbRow } from "./verbs.js";

/** One run of a verb: what stands on the command line, and the terminal it was typed on. */
export class Call {
  /** As it was typed, for a verb that hands it on. */
  readonly argv: readonly string[];
  readonly args: readonly string[];
  readonly terminal: Terminal;
  readonly #options: Readonly<Record<string, unknown>>;

  /** @param options by their names on the command line, without the hyphens in front */
  constructor(argv: readonly string[], args: readonly string[], options: Readonly<Record<string, unknown>>) {
    this.argv = argv;
    this.args = args;
    this.#options = options;
    const mayAsk = !this.flag("no-input") && !process.env["AMESH_NO_INPUT"];
    this.terminal = new Terminal({ json: this.flag("json"), mayAsk });
  }

  /** Whether an option of any kind stands on the command line. */
  has(option: string): boolean {
    return this.#options[option] !== undefined;
  }

  /** The value of an option such as `--relay URL`. */
  text(option: string): string | undefined {
    return this.#options[option] as string | undefined;
  }

  /** The values of an option that may be repeated. */
  list(option: string): readonly string[] {
    return (this.#options[option] as readonly string[] | undefined) ?? [];
  }

  flag(option: string): boolean {
    return this.#options[option] === true;
  }

  /**
   * The value of an option that is a number.
   *
   * @throws AmeshError `invalid_option` for what is not an integer from 1 to `most`
   */
  number(option: string, most: number): number | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const value = /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= most) return value;
    throw new AmeshError("invalid_option", `--${option} takes 1 to ${most}, not ${quoteForeign(text)}.`);
  }
}

/**
 * Reads the command line of a verb by its manual.
 *
 * @throws AmeshError `invalid_option`
 */
export function readCall({ name }: VerbRow, manual: Manual, argv: readonly string[]): Call | "help" {
  const command = new Command(`amesh ${name}`).exitOverride();
  command.configureOutput({ writeOut: () => {}, writeErr: () => {} });
  for (const { name, about, optional } of manual.arguments ?? [])
    command.argument(optional ? `[${name}]` : `<${name}>`, about);
  for (const option of [...(manual.options ?? []), ...commonOptions]) command.addOption(toOption(option));
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return "help";
    throw usageError(error, name);
  }
  const values = command.options.map((option): [string, unknown] => {
    const value: unknown = command.getOptionValue(option.attributeName());
    return [option.name(), option.negate ? value === false : value];
  });
  return new Call(argv, command.args, Object.fromEntries(values));
}

function toOption({ flags, about, repeatable }: OptionManual): Option {
  const option = new Option(flags.replace(/ ([^-].*)$/, " <$1>"), about);
  return repeatable ? option.argParser(collect) : option;
}

const collect = (value: string, values: readonly string[] = []) => [...values, value];

/** "error: unknown option '--nmae'\n(Did you mean --name?)" */
function usageError({ message }: CommanderError, verb: string): AmeshError {
  const [, problem = "", suggestion = ""] = /^(?:error: )?([^\n]*)(?:\n\((.*)\))?/.exec(message) ?? [];
  const detail = `${problem.charAt(0).toUpperCase()}${problem.slice(1).replace(/\.$/, "")}.`;
  const fix = `${suggestion === "" ? "" : `${suggestion} `}\`amesh ${verb} --help\` explains the command.`;
  return new AmeshError("invalid_option", detail, { fix });
}
