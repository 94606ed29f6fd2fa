import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type StrictRequest, takeRequest, valuesOf } from "./strict-http1.js";

export interface RecordedRequest extends StrictRequest {
  /** The connection that it came on, from 0. */
  readonly connection: number;
}

/** What is done for a request: by default it is answered with what came. */
export type Script = (request: RecordedRequest, socket: Socket) => void;

/** An upstream that reads strictly, keeps every request, and does what it is told to. */
export interface RecordingUpstream {
  readonly url: URL;
  readonly requests: RecordedRequest[];
  /** What was no strict HTTP/1.1, and what came beyond a request that was not answered yet. */
  readonly problems: string[];
  readonly sockets: ReadonlySet<Socket>;
  script: Script;
  close(): Promise<void>;
}

/** Who the upstream takes for the caller, and what it was asked for. */
export interface Told {
  readonly target: string;
  readonly subject: string | undefined;
  readonly body: string;
}

export const tellBack: Script = (request, socket) => {
  const [subject] = valuesOf(request, "x-authmesh-subject");
  const told: Told = { target: request.target, subject, body: request.body };
  const body = request.method === "HEAD" ? "" : JSON.stringify(told);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, "latin1");
};

export async function recordingUpstream(): Promise<RecordingUpstream> {
  const sockets = new Set<Socket>();
  const requests: RecordedRequest[] = [];
  const problems: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections++;
    let bytes = "";
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.toString("latin1");
      try {
        const taken = takeRequest(bytes);
        if (taken === undefined) return;
        bytes = "";
        // The gateway never sends one before it has the answer to the other.
        if (taken.rest !== "") problems.push(`beyond a request: ${JSON.stringify(taken.rest)}`);
        const request = { ...taken.message, connection };
        requests.push(request);
        upstream.script(request, socket);
      } catch (error) {
        problems.push(String(error));
        socket.destroy();
      }
    });
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const upstream: RecordingUpstream = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    requests,
    problems,
    sockets,
    script: tellBack,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return upstream;
}
