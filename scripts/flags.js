/** The flags of a script. */
import { parseArgs } from "node:util";

/**
 * Reads them. `--help` prints how the script is used, and one that it does not have is an error: exit status 2.
 *
 * @template {import("node:util").ParseArgsConfig["options"] & {}} Options
 * @param {string} usage a line for each flag
 * @param {Options} options
 */
export function readFlags(usage, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: "boolean" } } });
    if (!values.help)
      return /** @type {ReturnType<typeof parseArgs<{ options: Options }>>["values"]} */ (values);
    console.log(usage);
    process.exit(0);
  } catch (error) {
    fail(/** @type {Error} */ (error).message, usage);
  }
}

/** Ends the script: it was asked for what it cannot do. @param {string} problem @param {string} usage @returns {never} */
export function fail(problem, usage) {
  console.error(`amesh: error: ${problem}\n\n${usage}`);
  process.exit(2);
}
