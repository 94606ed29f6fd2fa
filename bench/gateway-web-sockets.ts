/** What does an idle WebSocket take in the memory of the gateway, beside nginx in front of the same service, and the service? */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { print, smoke, whole } from "./compare.js";
import { GatewayStage, host } from "./gateway-stage.js";
import { cores, type Started } from "./measured-servers.js";

const count = smoke ? 200 : 5_000;
const atOnce = 50;
const path = "/feed";

const stage = await GatewayStage.open();
try {
  const service = await stage.startNode("echo");
  const nginx = await stage.startNginx(
    cores.measured,
    () => `location / {
      proxy_pass http://127.0.0.1:${service.port}; proxy_http_version 1.1; proxy_read_timeout 600s;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }`,
  );
  const gateway = await stage.startGateway(service);
  const settled = async () => (await gateway.health()).resident;
  const answers = {
    // First, for what it once had it keeps.
    "the service alone (ws)": await grownBy(service, async () => (await service.health()).resident),
    "the gateway": await grownBy(gateway, settled),
    "nginx, verifying nothing": await grownBy(nginx, async () => nginx.resident()),
  };
  print(
    `${whole(count)} idle WebSockets, bytes of each in the memory of the process`,
    Object.fromEntries(Object.entries(answers).map(([name, bytes]) => [name, whole(bytes)])),
  );
} finally {
  await stage.close();
}

/** Bytes a WebSocket. */
async function grownBy({ port }: Started, resident: () => Promise<number>): Promise<number> {
  for (const socket of await open(port, atOnce)) await end(socket); // it warms up
  const before = await resident();
  const sockets: Socket[] = [];
  while (sockets.length < count) sockets.push(...(await open(port, atOnce)));
  const grown = (await resident()) - before;
  for (const socket of sockets) await end(socket);
  return grown / sockets.length;
}

async function open(port: number, many: number): Promise<Socket[]> {
  const proofs = await stage.proofs("GET", path, "", many);
  return Promise.all(
    proofs.map(async (proof) => {
      const socket = connect(port, "127.0.0.1");
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n` +
          `Authorization: ${proof}\r\n\r\n`,
      );
      const [answer] = (await once(socket, "data")) as [Buffer];
      if (!answer.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(answer.toString());
      return socket;
    }),
  );
}

async function end(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const closed = once(socket, "close");
  socket.destroy();
  await closed;
}
