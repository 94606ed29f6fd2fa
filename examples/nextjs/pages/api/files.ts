import { protectApi } from "@authmesh/sdk/next";
import type { NextApiRequest, NextApiResponse } from "next";
import { options } from "../../verify-options";

export const config = { api: { bodyParser: false } };

export default protectApi<NextApiRequest & { rawBody?: Buffer }, NextApiResponse>((request, response) => {
  response.json({ from: request.authMesh.friendlyName, bytes: request.rawBody?.length ?? 0 });
}, options);
