import { type OpenIdentity, readIdentity } from "@authmesh/keystore";
import { openThisMachine } from "../bootstrap/this-machine.js";
import { type Client, createClient } from "../client/create-client.js";
import type { Logger } from "../logger.js";
import { backgroundFetch } from "./background-fetch.js";

/** Signs what an authority is asked, as this machine: by another key, too, once that took the place of the present one. */
export class FeedSigner {
  readonly #folder: string | undefined;
  readonly #logger: Logger;
  #identity: OpenIdentity;
  #client: Client;

  private constructor(folder: string | undefined, logger: Logger, identity: OpenIdentity) {
    this.#folder = folder;
    this.#logger = logger;
    this.#identity = identity;
    this.#client = clientOf(identity, logger);
  }

  /** @throws AmeshError what `openIdentity` throws */
  static async open(folder: string | undefined, logger: Logger): Promise<FeedSigner> {
    return new FeedSigner(folder, logger, await openThisMachine(folder, logger));
  }

  get identity(): OpenIdentity {
    return this.#identity;
  }

  /** Keeps no process alive. */
  readonly fetch: typeof globalThis.fetch = (input, init) => this.#client.fetch(input, init);

  /**
   * Signs by the folder's key from now on, if the present one has named that in its place. Asked when requests are
   * refused, and not before: an authority may know the present key alone.
   *
   * @returns whether it is another one now
   * @throws AmeshError what `openIdentity` throws
   */
  async goOver(): Promise<boolean> {
    const { dir, identity, isSucceededBy } = this.#identity;
    const { deviceId } = readIdentity(dir).identity;
    if (deviceId === identity.deviceId || !isSucceededBy(deviceId)) return false;
    const next = await openThisMachine(this.#folder, this.#logger);
    if (next.identity.deviceId !== deviceId) return false;
    await this.#client.close();
    this.#identity = next;
    this.#client = clientOf(next, this.#logger);
    return true;
  }
}

const clientOf = (identity: OpenIdentity, logger: Logger): Client =>
  createClient({ identity, logger, fetch: backgroundFetch });
