import { AmeshError, type Failure, failure, newDecisionId } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { RefusalLog, sendRefusal } from "@authmesh/sdk/guard";
import type { Answer } from "../admit/admission.js";
import { failureAnswer } from "../failure-answer.js";
import type { Exchange } from "./gateway-request.js";

/** What the gateway itself refuses: problem documents (docs/protocol.md, section 14.6), and lines in the log. */
export class Refusals {
  readonly #log: RefusalLog;

  constructor(logger: Logger) {
    this.#log = new RefusalLog(logger);
  }

  refuse(exchange: Exchange, why: Failure, more: Answer["headers"] = {}): void {
    const id = newDecisionId();
    const { method = "", url = "" } = exchange.request;
    this.#log.write({ id, failure: why, step: "gateway", proven: false }, method, url);
    const answer = failureAnswer(why, id);
    sendAnswer(exchange, { ...answer, headers: { ...answer.headers, ...more } });
  }

  /** Of what was thrown: what has no name in the catalogue is told to nobody but the log. */
  refuseFor(exchange: Exchange, error: unknown): void {
    this.refuse(exchange, error instanceof AmeshError ? error.failure : unexpected(error));
  }
}

/** Answers instead of an upstream. A connection on which more of the request is to come ends with it. */
export function sendAnswer({ request, response }: Exchange, { headers, ...answer }: Answer): void {
  const rest = request.complete ? {} : { Connection: "close" };
  sendRefusal(response, { ...answer, headers: { ...headers, ...rest } });
}

const unexpected = (error: unknown): Failure =>
  failure("unexpected_error", error instanceof Error ? error.message : undefined);
