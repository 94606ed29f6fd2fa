import type { JsonObject } from "@authmesh/core";
import type { Environment } from "@authmesh/keystore";
import type { SeenFile } from "@authmesh/oath/node";
import { readConfigFile, settingsOfFile } from "../config/read-config.js";
import type { GatewaySettings } from "../config/settings.js";
import type { Surroundings } from "../config/settings-of.js";
import type { Arguments } from "./command-line.js";
import { settingsOfFlags, withFlags } from "./config-of-flags.js";

/** Settings, and where they are from that can change. */
export interface LoadedSettings {
  readonly settings: GatewaySettings;
  readonly followed?: FollowedFile;
}

export interface FollowedFile {
  readonly file: SeenFile;
  /** Settings of what the file says by now. @throws AmeshError `gateway_config_invalid` */
  readonly settingsOf: (file: SeenFile) => Promise<GatewaySettings>;
}

/** @throws AmeshError `invalid_option`, `gateway_config_invalid`, `storage_failed` */
export async function loadSettings(
  { file: path, values }: Pick<Arguments, "file" | "values">,
  env: Environment,
  role: Surroundings["role"],
): Promise<LoadedSettings> {
  if (path === undefined)
    return { settings: await settingsOfFlags(values, { env, role, folder: process.cwd() }) };
  const amend = (config: JsonObject) => withFlags(config, values);
  const settingsOf = (file: SeenFile) => settingsOfFile(file, { env, role, amend });
  const file = await readConfigFile(path);
  return { settings: await settingsOf(file), followed: { file, settingsOf } };
}
