import { requireAction, withOathMesh } from "@authmesh/sdk/next";
import { tokenOptions } from "../../../token-options";

const oathmesh = withOathMesh(tokenOptions);

export async function POST(request: Request) {
  const { caller, error } = await oathmesh(request);
  if (error) return error;
  const refusal = requireAction(caller, "orders.write");
  if (refusal) return refusal;
  return Response.json({ by: caller.principal.subject, order: await request.json() });
}
