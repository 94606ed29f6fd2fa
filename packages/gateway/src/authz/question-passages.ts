import { responseOn } from "../forward/web-socket.js";
import type { Exchange } from "../inbound/gateway-request.js";
import type { Passage, Passages, Passed } from "../inbound/passages.js";
import { sendAnswer } from "../inbound/refusals.js";
import { answerQuestion, type Questions } from "./answer-question.js";

/**
 * Answers what comes in as questions of a proxy. Caddy asks about an upgrade with one: that is answered like any other
 * question.
 *
 * @param questions how they come at this moment
 */
export const passagesOf = (questions: () => Questions): Passages => ({
  request: (passage, exchange, expectsContinue) => answer(questions(), passage, exchange, expectsContinue),
  upgrade(passage, request, socket) {
    const exchange = { request, response: responseOn(socket, request.method ?? "") };
    return answer(questions(), passage, exchange, false);
  },
});

async function answer(
  questions: Questions,
  passage: Passage,
  exchange: Exchange,
  expectsContinue: boolean,
): Promise<Passed> {
  const { route, answer } = await answerQuestion(questions, passage, exchange, expectsContinue);
  sendAnswer(exchange, answer);
  return { route, status: answer.status };
}
