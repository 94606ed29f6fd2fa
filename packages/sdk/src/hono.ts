import type { MiddlewareHandler } from "hono";
import { deviceGate } from "./admission.js";
import { gateHono } from "./hono-gate.js";
import type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

export type { AuthMeshIdentity, VerifyOptions } from "./verify-options.js";

declare module "hono" {
  interface ContextVariableMap {
    /** Who called. Set by `verify()`; only behind it. */
    authMesh: AuthMeshIdentity;
  }
}

/**
 * Middleware of Hono that lets only requests of trusted devices through (docs/protocol.md, section 2), on every
 * runtime that Hono runs on.
 *
 * It stands before whatever reads the body; what comes after it reads the body as if nobody had. Works at the root,
 * under `basePath` and in applications given to `route`. An application given to `mount` sees a shortened path: put
 * `verify()` in front of `mount`, or name the prefix in the option `pathPrefix`.
 *
 * @example
 * app.use("/api/*", verify({ audience: "api.example.com" }));
 * app.post("/api/orders", (c) => c.json({ from: c.get("authMesh").friendlyName }));
 *
 * @throws TypeError for options that make no sense
 */
export const verify = (options: VerifyOptions = {}): MiddlewareHandler =>
  gateHono(deviceGate(options), (context, { authMesh }) => context.set("authMesh", authMesh));
