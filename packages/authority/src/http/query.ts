import { integer, Misfit, type Reader, readDocument } from "@authmesh/core/records";
import type { Context } from "hono";

/**
 * The query of a request, each parameter once.
 *
 * @throws AmeshError `authority_request_invalid`
 */
export function readQuery<T>(context: Context, shape: Reader<T>): T {
  const whole: Reader<T> = (value, at) => {
    const twice = Object.entries(context.req.queries()).find(([, values]) => values.length > 1);
    if (twice !== undefined) throw new Misfit(`${twice[0]} is there twice`);
    return shape(value, at);
  };
  const query = JSON.stringify(context.req.query());
  return readDocument(query, whole, "authority_request_invalid", "The query of the request");
}

/** An integer in decimal digits. */
export function digits(min: number, max: number): Reader<number> {
  const bounded = integer(min, max);
  return (value, at) => {
    const isDecimal = typeof value === "string" && /^(?:0|[1-9]\d{0,15})$/.test(value);
    return bounded(isDecimal ? Number(value) : null, at);
  };
}
