import type { JsonObject, JsonValue } from "@authmesh/core";
import { type Place, type Problem, problemsOf } from "@authmesh/oath/document";
import { configShape } from "../config/config-document.js";
import type { GatewayConfig } from "../config/gateway-config.js";
import type { GatewaySettings } from "../config/settings.js";
import { type Surroundings, settingsOf } from "../config/settings-of.js";
import { type FlagValues, usage } from "./command-line.js";
import { type FlagName, flagRows, simpleUpstream } from "./flags.js";

/** Flags of which none makes sense without the others. */
const together: readonly (readonly FlagName[])[] = [
  ["cert", "key"],
  ["issuer", "token-audience", "policy"],
];

/**
 * Settings of the simple case: one service, whatever the path, and everything that is configured is accepted.
 *
 * @throws AmeshError `invalid_option` that names every flag that is wrong, a line each
 */
export async function settingsOfFlags(values: FlagValues, scene: Surroundings): Promise<GatewaySettings> {
  if (scene.role === "proxy" && !values.has("upstream"))
    throw usage("There is no service to stand in front of: give --upstream URL, or a configuration file.");
  for (const flags of together) {
    const missing = flags.filter((flag) => !values.has(flag));
    if (missing.length > 0 && missing.length < flags.length)
      throw usage(
        `${flags.map((flag) => `--${flag}`).join(", ")} go together, and --${missing[0]} is missing.`,
      );
  }
  const config = configOf(values, scene.role);
  const wrong = problemsOf(configShape, config);
  if (wrong.length > 0) throw usage(describe(wrong));
  const { settings, problems } = await settingsOf(config as unknown as GatewayConfig, scene);
  if (settings === undefined) throw usage(describe(problems));
  return settings;
}

function configOf(values: FlagValues, role: Surroundings["role"]): JsonObject {
  const route = role === "proxy" ? { path: "/*", upstream: simpleUpstream } : { path: "/*" };
  return withFlags({ version: 1, routes: [route] }, values);
}

/** A configuration in which flags have the place of what it says. */
export const withFlags = (config: JsonObject, values: FlagValues): JsonObject =>
  flagRows.reduce((config, [name, { at }]) => {
    const value = values.get(name);
    return at === undefined || value === undefined ? config : (put(config, at, value) as JsonObject);
  }, config);

/** The same value with another one inside of it. */
function put(into: JsonValue | undefined, [step, ...steps]: Place, value: JsonValue): JsonValue {
  if (step === undefined) return value;
  if (Array.isArray(into))
    return into.map((item, index) => (index === step ? put(item, steps, value) : item));
  const object = (into ?? {}) as JsonObject;
  return { ...object, [step]: put(object[step], steps, value) };
}

/** "--upstream has a path." */
const describe = (problems: readonly Problem[]): string =>
  problems.map(({ at, message }) => `${flagAt(at)} ${message}`).join("\n");

/** The flag that said what stands at a place, or the first of what is below it. */
function flagAt(place: Place): string {
  const startsWith = (long: Place, short: Place) => short.every((step, index) => long[index] === step);
  const found =
    flagRows.find(([, { at }]) => at !== undefined && startsWith(place, at)) ??
    flagRows.find(([, { at }]) => at !== undefined && startsWith(at, place));
  return found === undefined ? "The command line" : `--${found[0]}`;
}
