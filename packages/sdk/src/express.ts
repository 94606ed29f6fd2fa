import type { IncomingMessage } from "node:http";
import type { Authenticated } from "./admission.js";
import type { AuthMeshIdentity } from "./verify-options.js";

export { type VerifyMiddleware, verify } from "./verify-node.js";
export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare global {
  namespace Express {
    interface Request {
      /** Who called. Set by `amesh.verify()`; only behind it. */
      authMesh: AuthMeshIdentity;
    }
  }
}

/** A request behind `verify()`, for servers without a framework. */
export type AuthenticatedRequest = Authenticated<IncomingMessage>;
