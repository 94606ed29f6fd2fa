import { protect } from "@authmesh/sdk/next";
import { options } from "../../../verify-options";

export const POST = protect(
  async (request) => Response.json({ from: request.authMesh.friendlyName, order: await request.json() }),
  options,
);

export const GET = protect(
  (request) => Response.json({ to: request.authMesh.friendlyName, orders: [] }),
  options,
);
