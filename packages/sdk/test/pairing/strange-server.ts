import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

/** Servers that stand where a relay should be. Each gives the URL a device is told. */

/** Speaks HTTP and no WebSocket. */
export async function startHttpServer(listener: RequestListener): Promise<string> {
  const server = createHttpServer(listener);
  onTestFinished(() => server.closeAllConnections());
  return listenOnLoopback(server);
}

/** Speaks whatever `talk` says. */
export async function startTcpServer(talk: (socket: Socket) => void): Promise<string> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    talk(socket);
  });
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
  });
  return listenOnLoopback(server);
}

/** Takes WebSockets and says what `talk` says. `heard` settles once a device has got the answer to its first word. */
export async function startWebSocketServer(
  talk: (socket: WebSocket, text: string) => void,
): Promise<{ url: string; heard: Promise<void> }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  let settle = () => {};
  const heard = new Promise<void>((resolve) => {
    settle = resolve;
  });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("pong", () => settle());
    socket.on("message", (data) => {
      talk(socket, data.toString());
      socket.ping();
    });
  });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  await once(server, "listening");
  return { url: urlOf(server.address()), heard };
}

/**
 * Takes one WebSocket, answers its first message with what no relay says, and then hears nothing, not even that the
 * device closes. `left` settles once the device has tried to.
 */
export async function startDeafServer(): Promise<{ url: string; left: Promise<void> }> {
  let settle = () => {};
  const left = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const url = await startTcpServer((socket) => {
    const answers = [acceptUpgrade, () => "\x81\x05hello"];
    socket.on("data", (data) => {
      const answer = answers.shift();
      if (answer === undefined) settle();
      else socket.write(answer(data.toString("latin1")), "latin1");
    });
  });
  return { url, left };
}

function acceptUpgrade(request: string): string {
  const key = /sec-websocket-key: (\S+)/i.exec(request)?.[1];
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  return `${head.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** Where nothing listens. */
export async function closedPort(): Promise<string> {
  const server = createTcpServer();
  const url = await listenOnLoopback(server);
  server.close();
  await once(server, "close");
  return url;
}

async function listenOnLoopback(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return urlOf(server.address());
}

const urlOf = (address: AddressInfo | string | null): string =>
  `ws://127.0.0.1:${(address as AddressInfo).port}/ws`;
