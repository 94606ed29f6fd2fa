import { withOathMesh } from "@authmesh/sdk/next";
import { tokenOptions } from "../../../token-options";

export const runtime = "edge";

// Each instance on the edge remembers by itself which tokens were used, so a token must be for its one request.
const oathmesh = withOathMesh({ ...tokenOptions, requireRequestBinding: true });

export async function GET(request: Request) {
  const { caller, error } = await oathmesh(request);
  if (error) return error;
  return Response.json({ by: caller.principal.subject });
}
