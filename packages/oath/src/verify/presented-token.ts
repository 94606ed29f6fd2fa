import type { IncomingRequest } from "@authmesh/core";
import { failure } from "@authmesh/core";
import type { TokenRefusal } from "./context.js";
import { noToken } from "./refusals.js";

/**
 * The token of a request, or why there is none: exactly one Authorization header, of the scheme OathMesh. Where requests
 * come as the Fetch standard has them, a comma joins several.
 */
export function presentedToken(request: IncomingRequest): string | TokenRefusal {
  const values = request.headers("authorization");
  const [value, ...more] = values;
  if (value === undefined) return noToken("The request has no Authorization header.");
  if (more.length > 0 || value.includes(","))
    return failure("token_malformed", "There is more than one Authorization header, or a comma in it.");
  const [, token] = /^oathmesh +(\S+)$/i.exec(value) ?? [];
  return token ?? noToken("The Authorization header is not `OathMesh TOKEN`.");
}
