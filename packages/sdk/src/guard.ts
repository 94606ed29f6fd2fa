/**
 * What adapters outside of this package are made of: guards that decide on requests and take down what they decided, what routes require
 * beyond that, and how refusals are answered (docs/protocol.md, sections 2, 3 and 8).
 *
 * @module
 */
export { digestAlgorithms } from "./body/digest-algorithms.js";
export { answerOverUnread, discardUnread } from "./body/unread-rest.js";
export { memoryOfThisProcess } from "./process-memory.js";
export { RefusalLog } from "./refusal-log.js";
export type { Refusal, RefusalResponse } from "./refusal-response.js";
export { refusalResponse } from "./refusal-response.js";
export { createRequestGuard, type RequestGuard } from "./request-guard.js";
export { endUnread, sendRefusal } from "./send-refusal.js";
export { issuerKeys } from "./token/issuer-keys.js";
export { problemResponse } from "./token/problem-response.js";
export {
  actionIs,
  type RouteCaller,
  type RouteRequirement,
  scopesHeld,
  scopesOf,
} from "./token/route-requirement.js";
export { createTokenGuard, type TokenGuard } from "./token/token-guard.js";
