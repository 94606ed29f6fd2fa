import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { AmeshError } from "@authmesh/core";

/** "http://127.0.0.1:8088", "https://[::1]:443" */
export const originAt = (scheme: "http" | "https", host: string, port: number): string =>
  `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;

/** @throws AmeshError `gateway_cannot_listen` */
export async function listenOn(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<AddressInfo> {
  try {
    server.listen({ host, port, backlog: 1024 });
    await once(server, "listening");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new AmeshError(
      "gateway_cannot_listen",
      `The gateway cannot listen on ${host}:${port} (${reason}).`,
      { cause },
    );
  }
  return server.address() as AddressInfo;
}
