import { AmeshError, type ErrorCode, type Failure, failure, newDecisionId } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { RefusalLog, sendRefusal } from "@authmesh/sdk/guard";
import type { Answer } from "../admit/admission.js";
import { failureAnswer } from "../failure-answer.js";
import type { Exchange } from "./gateway-request.js";
import type { RequestHead } from "./request-checks.js";

type Refused = Pick<RequestHead, "method" | "target">;

/** What the gateway itself refuses: problem documents (docs/protocol.md, section 14.6), and lines in the log. */
export class Refusals {
  readonly #log: RefusalLog;
  readonly #count: (code: ErrorCode) => void;

  /** @param count told of each refusal, for metrics */
  constructor(logger: Logger, count: (code: ErrorCode) => void) {
    this.#log = new RefusalLog(logger);
    this.#count = count;
  }

  refuse(exchange: Exchange, why: Failure, more: Answer["headers"] = {}): void {
    const { method = "", url: target = "" } = exchange.request;
    sendAnswer(exchange, this.answer({ method, target }, why, more));
  }

  /** Of what was thrown. */
  refuseFor(exchange: Exchange, error: unknown): void {
    this.refuse(exchange, failureOf(error));
  }

  /** Writes the refusal of a request down, and gives what is to be answered. */
  answer({ method, target }: Refused, why: Failure, more: Answer["headers"] = {}): Answer {
    const id = newDecisionId();
    this.#count(why.code);
    this.#log.write({ id, failure: why, step: "gateway", proven: false }, method, target);
    const answer = failureAnswer(why, id);
    return { ...answer, headers: { ...answer.headers, ...more } };
  }

  /** Likewise of what was thrown. */
  answerFor(request: Refused, error: unknown): Answer {
    return this.answer(request, failureOf(error));
  }
}

/** Answers instead of an upstream. A connection on which more of the request is to come ends with it. */
export function sendAnswer({ request, response }: Exchange, { headers, ...answer }: Answer): void {
  const rest = request.complete ? {} : { Connection: "close" };
  sendRefusal(response, { ...answer, headers: { ...headers, ...rest } });
}

/** What has no name in the catalogue is told to nobody but the log. */
function failureOf(error: unknown): Failure {
  if (error instanceof AmeshError) return error.failure;
  return failure("unexpected_error", error instanceof Error ? error.message : undefined);
}
