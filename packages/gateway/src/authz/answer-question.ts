import { failure } from "@authmesh/core";
import type { Answer } from "../admit/admission.js";
import type { CallerContext } from "../admit/caller-context.js";
import { contextHeaderNames } from "../admit/context-headers.js";
import { type Exchange, GatewayRequest } from "../inbound/gateway-request.js";
import type { Passage } from "../inbound/passages.js";
import { ambiguityOf, pathOf, type RequestHead } from "../inbound/request-checks.js";
import { announcesBody, headOf, valuesOf } from "../inbound/request-head.js";
import { OriginalRequest, toldRequest } from "./original-request.js";
import type { ProxyDialect, Question } from "./proxy-dialects.js";

/** How questions come, and what is told to who may pass. */
export interface Questions {
  readonly dialect: ProxyDialect;
  readonly pathPrefix: string;
  readonly context: CallerContext;
}

/** Says whether the request may pass that a proxy asks about (docs/protocol.md, section 14.8). Never rejects. */
export async function answerQuestion(
  questions: Questions,
  passage: Passage,
  exchange: Exchange,
  expectsContinue: boolean,
): Promise<AnsweredQuestion> {
  const { dialect } = questions;
  const head = headOf(exchange);
  const { route, answer } = await decide(questions, passage, { head, exchange, expectsContinue }).catch(
    (error: unknown) => ({ route: "", answer: passage.refusals.answerFor(head, error) }),
  );
  return {
    route,
    answer: answer.status === 200 ? admitting(answer, dialect, passage) : refusing(answer, dialect),
  };
}

export interface AnsweredQuestion {
  /** Name of the route; "" where it came to none. */
  readonly route: string;
  readonly answer: Answer;
}

interface Asked {
  readonly head: RequestHead;
  readonly exchange: Exchange;
  readonly expectsContinue: boolean;
}

async function decide(
  { dialect, pathPrefix, context }: Questions,
  { generation, refusals, room }: Passage,
  { head, exchange, expectsContinue }: Asked,
): Promise<AnsweredQuestion> {
  const nowhere = (answer: Answer): AnsweredQuestion => ({ route: "", answer });
  const told = toldRequest(questionOf(head), dialect, pathPrefix);
  const { method, target, host } = told;
  const ambiguity = ambiguityOf({ method, target, httpVersion: "1.1", rawHeaders: ["host", host] });
  if (ambiguity !== undefined) return nowhere(refusals.answer(told, ambiguity));
  const found = generation.routes.find(host, pathOf(target), method);
  if (found === undefined) return nowhere(refusals.answer(told, failure("no_route")));
  const { route, allow } = found;
  if (route === undefined)
    return nowhere(refusals.answer(told, failure("method_not_routed"), { Allow: allow.join(", ") }));
  const question = new GatewayRequest(head, exchange, { route, room, expectsContinue });
  try {
    const request = new OriginalRequest(question, told, dialect);
    const { admitted, answer } = await generation.admitter.admit(request, route);
    if (answer !== undefined) return { route: route.name, answer };
    const headers = await context.headersFor({ route, method, target }, admitted);
    return {
      route: route.name,
      answer: { status: 200, headers: Object.fromEntries(headers), body: "" },
    };
  } finally {
    question.release();
  }
}

const questionOf = ({ method, target, rawHeaders }: RequestHead): Question => ({
  method,
  target,
  hasBody: announcesBody(rawHeaders),
  headers: (name) => valuesOf(rawHeaders, name),
});

function admitting(answer: Answer, { copiesAbsent }: ProxyDialect, { generation }: Passage): Answer {
  if (!copiesAbsent) return answer;
  const names = contextHeaderNames(generation.settings.context.prefixes);
  return {
    ...answer,
    headers: { ...Object.fromEntries(names.map((name) => [name, ""])), ...answer.headers },
  };
}

/** With the code where a proxy can read it. Every refusal is a JSON document that has it as `error`. */
function refusing({ status, headers, body }: Answer, dialect: ProxyDialect): Answer {
  const { error } = JSON.parse(body) as { readonly error: string };
  return {
    status: dialect.status?.(status) ?? status,
    headers: { ...headers, "AuthMesh-Error": error },
    body,
  };
}
