import { protect } from "@authmesh/sdk/next";
import { options } from "../../../../verify-options";

export const GET = protect(
  async (request, { params }: { params: Promise<{ id: string }> }) =>
    Response.json({ from: request.authMesh.friendlyName, order: (await params).id }),
  options,
);
