import type { Admitter } from "../admit/admission.js";
import type { GatewaySettings } from "../config/settings.js";
import { RouteTable } from "./routes.js";

/** One configuration, and what is under way with it: requests finish with what they began with. */
export class Generation {
  readonly settings: GatewaySettings;
  readonly admitter: Admitter;
  readonly routes: RouteTable;
  #underWay = 0;
  #settled = () => {};

  constructor(settings: GatewaySettings, admitter: Admitter) {
    this.settings = settings;
    this.admitter = admitter;
    this.routes = new RouteTable(settings.routes);
  }

  /** Requests and WebSockets. */
  get underWay(): number {
    return this.#underWay;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#underWay++;
    try {
      return await work();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#settled();
    }
  }

  /** Resolves once nothing is under way. For one that nothing new comes to. */
  async settled(): Promise<void> {
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
  }
}
