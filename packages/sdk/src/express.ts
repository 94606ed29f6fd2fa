import type { RawBody } from "./body/node-request.js";
import type { TokenGrant } from "./token/token-gate.js";
import type { AuthenticatedMessage } from "./verify-node.js";
import type { AuthMeshIdentity } from "./verify-options.js";

export type { VerifyMiddleware } from "./node-gate.js";
export { requireAction, requireScope } from "./token/node-routes.js";
export { verifyToken } from "./token/verify-token-node.js";
export type { TokenDecisionListener, VerifyTokenOptions } from "./token/verify-token-options.js";
export { verify } from "./verify-node.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare global {
  namespace Express {
    // `rawBody` is inherited: other packages declare it too, and two declarations of their own would have to be the same.
    interface Request extends RawBody {
      /** Who called. Set by `amesh.verify()`; only behind it. */
      authMesh: AuthMeshIdentity;
      /** Whose token the request came with. Set by `verifyToken()`; only behind it. */
      oathmeshContext: TokenGrant["oathmeshContext"];
    }
  }
}

/** A request behind `verify()`, for servers without a framework. */
export type AuthenticatedRequest = AuthenticatedMessage;
