// A server without a framework that only paired devices can call.
import { createServer } from "node:http";
import { protect } from "@authmesh/sdk/node";

const port = Number(process.env.PORT ?? 3000);

const orders = protect(
  (request, response) => {
    const { deviceId, friendlyName } = request.authMesh;
    const answer = { message: "Authenticated!", device: deviceId, name: friendlyName, order: request.body };
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(answer));
  },
  { audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` },
);

const server = createServer((request, response) => {
  if (request.url === "/health") response.end("ok");
  else orders(request, response);
});
server.listen(port, () => console.log(`listening on port ${port}`));
