import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { AmeshError } from "@authmesh/core";

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
