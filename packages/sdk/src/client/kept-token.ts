import { AmeshError } from "@authmesh/core";
import { ageOf, type Clocks, type Moment, momentOf } from "@authmesh/oath/timing";
import type { Logger } from "../logger.js";
import type { IssuedToken } from "./request-token.js";

export interface KeptTokenOptions extends Clocks {
  readonly obtain: () => Promise<IssuedToken>;
  readonly logger: Logger;
}

/** Shares of a token's life. */
const renewAt = 0.6;
/** The rest is for requests on their way. */
const endAt = 0.9;
/** After a renewal that failed. */
const pauseMs = 5000;

/**
 * A token that serves until shortly before it expires. The next one is obtained while it still serves, one flight at
 * a time, so that an authority which is away for less than that is not noticed.
 */
export class KeptToken {
  readonly #options: KeptTokenOptions;
  #present: (IssuedToken & { readonly at: Moment }) | undefined;
  #flight: Promise<string> | undefined;
  #failedAt: Moment | undefined;

  constructor(options: KeptTokenOptions) {
    this.#options = options;
  }

  /** @throws AmeshError what `obtain` throws, where no token serves */
  current(): string | Promise<string> {
    const present = this.#present;
    const age = present === undefined ? 0 : ageOf(present.at, this.#options) / present.lifeMs;
    if (present === undefined || age >= endAt) return this.#renew();
    if (age >= renewAt && !this.#pauses()) this.#renew().catch((error) => this.#report(error));
    return present.token;
  }

  /** A service does not take this one any more. */
  forget(token: string): void {
    if (this.#present?.token === token) this.#present = undefined;
  }

  #renew(): Promise<string> {
    this.#flight ??= this.#obtain().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #obtain(): Promise<string> {
    const at = momentOf(this.#options);
    try {
      this.#present = { ...(await this.#options.obtain()), at };
      this.#failedAt = undefined;
      return this.#present.token;
    } catch (error) {
      this.#failedAt = momentOf(this.#options);
      throw error;
    }
  }

  #pauses(): boolean {
    return this.#failedAt !== undefined && ageOf(this.#failedAt, this.#options) < pauseMs;
  }

  #report(error: unknown): void {
    const known = error instanceof AmeshError ? { code: error.code, fix: error.fix } : {};
    this.#options.logger.warn(
      `the token could not be renewed: ${error instanceof Error ? error.message : String(error)}`,
      known,
    );
  }
}
