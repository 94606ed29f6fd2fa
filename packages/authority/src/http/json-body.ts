import { AmeshError, type ErrorCode } from "@authmesh/core";
import { type Reader, readDocument } from "@authmesh/core/records";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";

const bounded = (maxSize: number): MiddlewareHandler =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new AmeshError("payload_too_large");
    },
  });

/** Stands before what reads a body that nobody has vouched for; more than any has that enrollment asks for. */
export const boundedBody: MiddlewareHandler = bounded(16_384);

/** The same, of one that may hold the certificates of a TPM. */
export const boundedEvidence: MiddlewareHandler = bounded(65_536);

/**
 * The body of a request, behind `boundedBody`: strict JSON without fractions.
 *
 * @param name what errors call it
 * @throws AmeshError `code`
 */
export async function jsonBody<T>(
  { req }: Context,
  reader: Reader<T>,
  name: string,
  code: ErrorCode = "authority_request_invalid",
): Promise<T> {
  const body = new Uint8Array(await req.arrayBuffer());
  return readDocument(body, reader, code, name, { integers: true }, fix);
}

const fix = "Send JSON with the members that docs/protocol.md, section 10 has.";
