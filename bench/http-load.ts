/** Load that costs as little as it can: requests written beforehand, over connections that stay open. */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";

const connections = 16;

/** What to send, and how to see that it was answered well. */
export interface Load {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** One for each request. */
  readonly authorizations: readonly string[];
  /** The body of every answer. */
  readonly answer: string;
}

/** Sends every request to the port of this machine. @throws Error unless each is answered with 200 and `answer` */
export type Loader = (port: number, load: Load) => Promise<void>;

export const http1: Loader = async (port, { path, headers, body, authorizations, answer }) => {
  const before = `POST ${path} HTTP/1.1\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}authorization: `;
  let next = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.setEncoding("latin1").setTimeout(10_000, () => socket.destroy(new Error("no answer for 10 s")));
      const send = () => {
        if (next === authorizations.length) return socket.end();
        socket.write(`${before}${authorizations[next++]}\r\n\r\n${body}`, "latin1");
      };
      let received = "";
      socket.on("data", (chunk: string) => {
        received += chunk;
        if (!received.endsWith(answer)) return;
        if (!received.startsWith("HTTP/1.1 200 ")) return socket.destroy(new Error(received));
        received = "";
        send();
      });
      await once(socket, "connect");
      send();
      await once(socket, "close");
      if (received !== "") throw new Error(`refused: ${received}`);
    }),
  );
};

export const http2: Loader = async (port, { path, headers, body, authorizations, answer }) => {
  const { host, ...others } = headers;
  const fields = { ":method": "POST", ":path": path, ":authority": host, ...others };
  let next = 0;
  const sessions = Array.from({ length: 4 }, () => connectHttp2(`http://127.0.0.1:${port}`));
  await Promise.all(
    Array.from({ length: connections }, async (_, i) => {
      const session = sessions[i % sessions.length] as ClientHttp2Session;
      while (next < authorizations.length) {
        const stream = session.request({ ...fields, authorization: authorizations[next++] });
        await new Promise<void>((resolve, reject) => {
          let received = "";
          stream.setEncoding("latin1");
          stream.on("data", (chunk: string) => {
            received += chunk;
          });
          stream.on("end", () =>
            received === answer ? resolve() : reject(new Error(`refused: ${received}`)),
          );
          stream.on("error", reject);
          stream.end(body);
        });
      }
    }),
  );
  for (const session of sessions) session.close();
};
