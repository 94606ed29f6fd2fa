import { responseOn } from "../forward/web-socket.js";
import type { Passages } from "../inbound/passages.js";
import { sendAnswer } from "../inbound/refusals.js";
import { answerQuestion, type Questions } from "./answer-question.js";

/**
 * Answers what comes in as questions of a proxy. Caddy asks about an upgrade with one: that is answered like any other
 * question.
 *
 * @param questions how they come at this moment
 */
export const passagesOf = (questions: () => Questions): Passages => ({
  async request(passage, exchange, expectsContinue) {
    sendAnswer(exchange, await answerQuestion(questions(), passage, exchange, expectsContinue));
  },
  async upgrade(passage, request, socket) {
    const exchange = { request, response: responseOn(socket, request.method ?? "") };
    sendAnswer(exchange, await answerQuestion(questions(), passage, exchange, false));
  },
});
