import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Program } from "../../scripts/machines.js";
import { root } from "../../scripts/run.js";
import { authorityUrl, type Scene } from "./launches.js";

const addresses = 125;
const followersEach = 80;

/** They come one address after the other. */
const gatheringMs = 200_000;

/** Ten thousand followers of a feed of the authority, in a process of their own. */
export class Crowd {
  static readonly size = addresses * followersEach;
  #program: Program | undefined;

  /** Resolves when all of them listen. */
  gather(scene: Scene): Promise<void> {
    const authority = { url: authorityUrl(scene), key: scene.feedKey };
    const given = { authority, feed: "tokens", addresses, followersEach };
    this.#program = new Program([join(root, "test/faults/followers.js"), JSON.stringify(given)]);
    return this.complete(gatheringMs);
  }

  get connected(): number {
    return JSON.parse(this.#program?.lines.at(-1) ?? "{}").connected ?? 0;
  }

  /** Resolves when all of them listen. */
  async complete(patienceMs = 200_000): Promise<void> {
    const limit = performance.now() + patienceMs;
    while (this.connected < Crowd.size) {
      if (performance.now() > limit) throw new Error(`Of the crowd ${this.connected} are there.`);
      await pause(50);
    }
  }

  async disperse(): Promise<void> {
    await this.#program?.kill();
  }
}
