import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { audience } from "./launches.js";

/** A connection to where callers call, under the name that they use. @param ca whom they trust, in PEM */
export async function secureConnection(url: string, ca: string): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), servername: audience, ca });
  await once(socket, "secureConnect");
  return socket;
}
