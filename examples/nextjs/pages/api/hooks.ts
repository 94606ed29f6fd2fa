import { protectApi } from "@authmesh/sdk/next";
import type { NextApiRequest, NextApiResponse } from "next";
import { options } from "../../verify-options";

// Next parses the body first.
export default protectApi<NextApiRequest, NextApiResponse>((request, response) => {
  response.json({ from: request.authMesh.friendlyName, body: request.body });
}, options);
