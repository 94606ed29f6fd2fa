import { type AmeshError, type ErrorCode, LogThrottle } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import type { Forwarded } from "./forwarder.js";
import { reasonOf } from "./upstream-failures.js";

interface FailureLogScene {
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Told of each, written down or not. */
  readonly count?: ((code: ErrorCode) => void) | undefined;
}

/** Tells of requests that could not be sent on: for each upstream and code one a second, with the number that were left out. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #count: (code: ErrorCode) => void;
  readonly #throttle = new LogThrottle<string>();

  constructor(logger: Logger, { now, count = () => {} }: FailureLogScene) {
    this.#logger = logger;
    this.#now = now;
    this.#count = count;
  }

  /** @param url of the server that was asked, if one was */
  write(error: AmeshError, { route, admitted }: Forwarded, url: URL | undefined): void {
    this.#count(error.code);
    const leftOut = this.#throttle.admit(`${route.upstream} ${error.code}`, this.#now());
    const level = leftOut === undefined ? "debug" : "warn";
    this.#logger[level](`not sent on: ${error.code}`, {
      decision: admitted.caller?.decisionId,
      route: route.name,
      upstream: route.upstream,
      url: url?.origin,
      code: error.code,
      reason: reasonOf(error),
      ...(leftOut ? { leftOut } : {}),
    });
  }
}
