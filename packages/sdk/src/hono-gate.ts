import type { Context, MiddlewareHandler } from "hono";
import type { Gate } from "./admission.js";
import { fetchRequest } from "./body/fetch-request.js";
import { asResponse } from "./fetch-gate.js";

/**
 * A gate as middleware of Hono.
 *
 * @param keep hands on what a request gained
 */
export const gateHono = <Grant extends object>(
  gate: Gate<Grant>,
  keep: (context: Context, grant: Grant) => void,
): MiddlewareHandler =>
  async function ameshVerify(context, next) {
    const { grant, refusal } = await gate(fetchRequest(context.req.raw));
    if (refusal !== undefined) return asResponse(refusal);
    keep(context, grant);
    return next();
  };
