// WebSockets that only paired devices can open, and that end when their device is revoked.
import { createServer } from "node:http";
import { protectUpgrade } from "@authmesh/sdk/node";
import { WebSocketServer } from "ws";

const port = Number(process.env.PORT ?? 3000);
const sockets = new WebSocketServer({ noServer: true });

const upgrade = protectUpgrade(
  (request, socket, head, ended) => {
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ended.addEventListener("abort", () => ws.close(1008, ended.reason.code));
      ws.on("message", (data) => ws.send(`${request.authMesh.friendlyName} said ${data}`));
    });
  },
  { audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` },
);

const server = createServer((_request, response) => response.writeHead(426).end());
server.on("upgrade", upgrade);
server.listen(port, () => console.log(`listening on port ${port}`));
