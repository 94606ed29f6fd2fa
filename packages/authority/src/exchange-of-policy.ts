import { createExchange, type Exchange, type ExchangeOptions } from "./exchange/exchange.js";
import type { ExchangeConfig } from "./exchange/exchange-config.js";
import type { AuthorityPolicy } from "./mint/authority-policy.js";

/** The exchange as the policy has it now: made anew, with nothing known of providers' keys, when the policy changes. */
export class ExchangeOfPolicy {
  readonly #options: Omit<ExchangeOptions, "config">;
  readonly #policy: () => AuthorityPolicy;
  #config: ExchangeConfig | undefined;
  #exchange: Exchange | undefined;

  constructor(policy: () => AuthorityPolicy, options: Omit<ExchangeOptions, "config">) {
    this.#policy = policy;
    this.#options = options;
  }

  /** Undefined: nothing is exchanged. */
  get current(): Exchange | undefined {
    const { exchange: config } = this.#policy();
    if (config !== this.#config) {
      this.close();
      this.#config = config;
      this.#exchange = config && createExchange({ ...this.#options, config });
    }
    return this.#exchange;
  }

  close(): void {
    this.#exchange?.close();
    this.#exchange = undefined;
    this.#config = undefined;
  }
}
