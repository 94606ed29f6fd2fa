import { AmeshError } from "@authmesh/core";
import { readPemFile } from "@authmesh/oath/node";
import type { UpstreamSettings } from "../config/settings.js";
import { Upstream, type UpstreamScene, type UpstreamStatus } from "./upstream.js";

interface Kept {
  readonly upstream: Upstream;
  /** Of its settings and what the files that they name hold. */
  readonly identity: string;
}

/** The upstreams of a configuration, by name. Those that a new configuration leaves as they are keep their connections. */
export class Upstreams {
  readonly #scene: UpstreamScene;
  #byName: ReadonlyMap<string, Kept> = new Map();

  /** @throws AmeshError `gateway_config_invalid` for authorities that cannot be read */
  constructor(settings: readonly UpstreamSettings[], scene: UpstreamScene) {
    this.#scene = scene;
    this.replace(settings);
  }

  find(name: string): Upstream | undefined {
    return this.#byName.get(name)?.upstream;
  }

  /**
   * Requests under way finish where they are.
   *
   * @throws AmeshError `gateway_config_invalid` for authorities that cannot be read; nothing is changed then
   */
  replace(settings: readonly UpstreamSettings[]): void {
    const wanted = settings.map((upstream) => ({ settings: upstream, authorities: authoritiesOf(upstream) }));
    const present = this.#byName;
    this.#byName = new Map(
      wanted.map(({ settings, authorities }) => {
        const identity = JSON.stringify([settings, authorities]);
        const same = present.get(settings.name);
        if (same?.identity === identity) return [settings.name, same];
        return [settings.name, { identity, upstream: new Upstream(settings, authorities, this.#scene) }];
      }),
    );
    const kept = new Set(this.#byName.values());
    for (const old of present.values()) if (!kept.has(old)) old.upstream.retire();
  }

  status(): readonly UpstreamStatus[] {
    return [...this.#byName.values()].flatMap(({ upstream }) => upstream.status());
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#byName.values()].map(({ upstream }) => upstream.destroy()));
  }
}

/** PEM. */
function authoritiesOf({ ca, name }: UpstreamSettings): string | undefined {
  if (ca === undefined) return undefined;
  try {
    return readPemFile(ca).toString("utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new AmeshError(
      "gateway_config_invalid",
      `upstreams.${name}.ca: ${ca} cannot be read (${reason}).`,
      {
        cause,
      },
    );
  }
}
