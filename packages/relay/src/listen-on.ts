import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AmeshError } from "@authmesh/core";

export interface RelayAddress {
  readonly host: string;
  readonly port: number;
  /** What a client on this machine gives as `--relay`. */
  readonly url: string;
}

/** Starts to listen. @throws AmeshError `relay_cannot_listen` */
export async function listenOn(server: Server, host: string, port: number): Promise<RelayAddress> {
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (cause) {
    throw cannotListen(host, port, cause);
  }
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port, url: urlOf(address) };
}

/** Where all addresses are listened on, loopback is the one that this machine can dial. */
function urlOf({ address, port, family }: AddressInfo): string {
  const wildcard = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  return `ws://${family === "IPv6" ? `[${wildcard}]` : wildcard}:${port}/ws`;
}

const mends: Readonly<Record<string, string>> = {
  EACCES: "Choose a port above 1023 with --port N, or let a proxy listen on the lower one.",
  EADDRNOTAVAIL: "Give --host an address of this machine, or 0.0.0.0 for all of them.",
  ENOTFOUND: "Give --host an address of this machine, or 0.0.0.0 for all of them.",
};

function cannotListen(host: string, port: number, cause: unknown): AmeshError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const mend = mends[reason];
  return new AmeshError("relay_cannot_listen", `The relay cannot listen on ${host}:${port} (${reason}).`, {
    ...(mend === undefined ? {} : { fix: mend }),
    cause,
  });
}
