import { isDeepStrictEqual } from "node:util";
import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { followFiles, type SeenFile, type Sight } from "@authmesh/oath/node";
import { readConfigFile } from "./read-config.js";
import type { GatewaySettings } from "./settings.js";

export interface FollowConfigOptions {
  /** As it was read first. */
  readonly file: SeenFile;
  /** What it came to. */
  readonly settings: GatewaySettings;
  /** @throws AmeshError for a file that cannot be used */
  readonly settingsOf: (file: SeenFile) => Promise<GatewaySettings>;
  /** Puts settings in force. Where it rejects, those before stay in force. */
  readonly apply: (settings: GatewaySettings) => Promise<void>;
  readonly logger: Logger;
}

/**
 * A configuration that follows its file. A change that cannot be used changes nothing, and is logged once, with its
 * place. Keeps no process alive.
 */
export class FollowedConfig {
  readonly #options: FollowConfigOptions;
  readonly #stop: () => void;
  #settings: GatewaySettings;
  /** What the file says is not what is in force. */
  #refused = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: FollowConfigOptions) {
    const { file } = options;
    this.#options = options;
    this.#settings = options.settings;
    this.#stop = followFiles({
      path: file.path,
      known: [file],
      read: async () => [await readConfigFile(file.path)],
      take: (sight) => this.#inTurn(() => Promise.resolve(sight), "info"),
    });
  }

  /** Reads the file again, changed or not: files that it names may have changed. Whoever asks is told how it went. Never rejects. */
  reread(): Promise<void> {
    return this.#inTurn(async () => ({ files: [await readConfigFile(this.#options.file.path)] }), "warn");
  }

  /** Follows no more. Resolves once no change is under way. */
  close(): Promise<void> {
    this.#stop();
    return this.#last;
  }

  #inTurn(see: () => Promise<Sight>, level: "info" | "warn"): Promise<void> {
    this.#last = this.#last.then(() => this.#take(see, level));
    return this.#last;
  }

  /** @param level of the line that says that all is well; good news after bad is always a warning, which is shown */
  async #take(see: () => Promise<Sight>, level: "info" | "warn"): Promise<void> {
    const { logger, apply, settingsOf, file } = this.#options;
    try {
      const { files, error } = await see();
      const [seen] = files;
      if (error !== undefined || seen === undefined) throw error;
      const settings = this.#keepingSockets(await settingsOf(seen));
      await apply(settings);
      this.#settings = settings;
      logger[this.#refused ? "warn" : level]("a new configuration is in force", { file: file.path });
      this.#refused = false;
    } catch (error) {
      this.#refused = true;
      const problem = error instanceof AmeshError ? error.message : String(error);
      logger.error("the new configuration cannot be used; the one before it stays in force", { problem });
    }
  }

  /** What the sockets were opened by stays until a restart. */
  #keepingSockets(settings: GatewaySettings): GatewaySettings {
    const { listen, admin } = this.#settings;
    const members = (["listen", "admin"] as const).filter(
      (member) => !isDeepStrictEqual(settings[member], this.#settings[member]),
    );
    if (members.length > 0)
      this.#options.logger.warn(
        `a change of ${members.join(" and ")} counts after a restart; the rest is in force`,
        { file: this.#options.file.path },
      );
    return { ...settings, listen, admin };
  }
}
