import { dirname, extname, resolve } from "node:path";
import { AmeshError, type JsonObject } from "@authmesh/core";
import {
  checkDocument,
  type DocumentFormat,
  formatTextProblem,
  type TextProblem,
} from "@authmesh/oath/document";
import { type FileKind, readBoundedFile, type SeenFile, textOf } from "@authmesh/oath/node";
import { configShape } from "./config-document.js";
import type { GatewayConfig } from "./gateway-config.js";
import { readablePart } from "./readable-part.js";
import type { GatewaySettings } from "./settings.js";
import { type Surroundings, settingsOf } from "./settings-of.js";

const kind: FileKind = { name: "The configuration", code: "gateway_config_invalid", maxBytes: 1_048_576 };

const formats: Readonly<Record<string, DocumentFormat>> = {
  ".json": "json",
  ".yaml": "yaml",
  ".yml": "yaml",
};

export interface ReadConfigOptions extends Pick<Surroundings, "env" | "role"> {
  /** Puts what counts more in the place of what the file says. */
  readonly amend?: (config: JsonObject) => JsonObject;
}

/** @throws AmeshError `gateway_config_invalid`, `storage_failed` */
export const readConfigFile = (path: string): Promise<SeenFile> => readBoundedFile(path, kind);

/**
 * What a file says, checked, with defaults filled in and its files looked at. Relative paths start from the file's folder.
 *
 * @throws AmeshError `gateway_config_invalid` that names everything that is wrong, a line each: "gateway.yaml:3:5: …"
 */
export async function settingsOfFile(file: SeenFile, options: ReadConfigOptions): Promise<GatewaySettings> {
  const { path } = file;
  const format = formats[extname(path)];
  if (format === undefined)
    throw new AmeshError(kind.code, `${path}: its name does not end in ${Object.keys(formats).join(", ")}.`);
  const checked = checkDocument<JsonObject>(textOf(file, kind.code), format, {
    shape: configShape,
    maxBytes: kind.maxBytes,
  });
  const { env, role, amend = (config) => config } = options;
  const scene = { env, role, folder: dirname(resolve(path)) };
  const read = (config: JsonObject) => settingsOf(amend(config) as unknown as GatewayConfig, scene);
  if (checked.problems === undefined) {
    const { settings, problems } = await read(checked.value);
    if (settings !== undefined) return settings;
    throw new InvalidConfig(path, problems.map(checked.locate));
  }
  const { problems, misshapen } = checked;
  const part = misshapen && readablePart(misshapen.value, misshapen.problems);
  const more = part === undefined ? [] : (await read(part)).problems;
  throw new InvalidConfig(path, [...problems, ...(misshapen ? more.map(misshapen.locate) : [])]);
}

/** Everything that is wrong with a configuration, in the order of its text. */
export class InvalidConfig extends AmeshError {
  readonly problems: readonly TextProblem[];

  constructor(path: string, problems: readonly TextProblem[]) {
    const ordered = problems.toSorted(
      ({ position: a }, { position: b }) =>
        (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0),
    );
    super(kind.code, ordered.map((problem) => formatTextProblem(path, problem)).join("\n"));
    this.problems = ordered;
  }
}
