import type { Gate } from "./admission.js";
import { fetchRequest } from "./body/fetch-request.js";
import type { RefusalResponse } from "./refusal-response.js";

/** A handler of the Fetch standard, with whatever its server gives it besides. */
export type FetchHandler<Incoming extends Request, Rest extends readonly unknown[]> = (
  request: Incoming,
  ...rest: Rest
) => Response | Promise<Response>;

/** A gate in front of a handler, which gets the very request that came in, and further arguments as they are. */
export function gateFetch<Grant extends object, Rest extends readonly unknown[], Incoming extends Request>(
  handler: FetchHandler<Incoming & Grant, Rest>,
  gate: Gate<Grant>,
): (request: Incoming, ...rest: Rest) => Promise<Response> {
  return async function ameshProtected(request, ...rest) {
    const { grant, refusal } = await gate(fetchRequest(request));
    if (refusal !== undefined) return asResponse(refusal);
    return handler(Object.assign(request, grant), ...rest);
  };
}

/** A refusal as a `Response` of the Fetch standard. */
export const asResponse = ({ status, headers, body }: RefusalResponse): Response =>
  new Response(body, { status, headers });
