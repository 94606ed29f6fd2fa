// A handler of the Fetch standard that only paired devices can call.
import { protect } from "@authmesh/sdk/fetch";

const port = Number(process.env.PORT ?? 3000);

const orders = protect(
  async (request) => {
    const { deviceId, friendlyName } = request.authMesh;
    const order = await request.json();
    return Response.json({ message: "Authenticated!", device: deviceId, name: friendlyName, order });
  },
  { audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` },
);

export default { port, fetch: orders };
