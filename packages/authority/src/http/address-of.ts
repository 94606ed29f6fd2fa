import { clientAddress } from "@authmesh/core";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Context } from "hono";

/** The address that a request came from, as limits count by it (`clientAddress` of @authmesh/core). */
export type AddressOf = (context: Context) => string;

export const addressBehind =
  (trustedProxies: number): AddressOf =>
  (context) =>
    clientAddress(getConnInfo(context).remote.address, context.req.header("x-forwarded-for"), trustedProxies)
      .key;
