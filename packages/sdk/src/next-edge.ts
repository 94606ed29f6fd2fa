/**
 * amesh for the edge runtime of Next.js: tokens alone, and nothing of Node.js. Resolved in place of `next.ts` where a
 * bundler builds for that runtime.
 *
 * @module
 */
export { type OathMeshResult, withOathMesh } from "./next/with-oathmesh.js";
export { requireAction, requireScope } from "./token/fetch-routes.js";
export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
