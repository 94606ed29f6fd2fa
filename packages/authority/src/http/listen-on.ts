import { once } from "node:events";
import type { Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { AmeshError } from "@authmesh/core";
import {
  type CertificateFiles,
  readCertificate,
  renewCertificate,
  usingCertificate,
} from "@authmesh/oath/node";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";

const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
};
/** Those that listen to a trust feed (20,000), and others. */
const mostConnections = 30_000;

/** @throws AmeshError `authority_cannot_listen` when the certificate cannot be used */
export function createServer(app: Hono, tls: CertificateFiles | undefined): Server | TlsServer {
  const create = (more = {}) => createAdaptorServer({ fetch: app.fetch, ...more }) as Server | TlsServer;
  const server =
    tls === undefined
      ? create({ serverOptions: limits })
      : usingCertificate(unusable(tls), () =>
          create({ createServer: createTlsServer, serverOptions: { ...limits, ...readCertificate(tls) } }),
        );
  server.maxConnections = mostConnections;
  // By default lines after the thousandth are dropped, and with them what the proxy says of the address.
  server.maxHeadersCount = 0;
  return server;
}

/** @throws AmeshError `authority_cannot_listen` */
export async function listenOn(server: Server, host: string, port: number): Promise<AddressInfo> {
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new AmeshError(
      "authority_cannot_listen",
      `The authority cannot listen on ${host}:${port} (${reason}).`,
      { cause },
    );
  }
  return server.address() as AddressInfo;
}

/** Goes over to a renewed certificate, looked for once a minute. Returns the way to stop. */
export const followCertificate = (
  server: TlsServer,
  files: CertificateFiles,
  tell: (error: AmeshError) => void,
  everyMs = 60_000,
): (() => void) => renewCertificate(server, files, { failed: unusable(files), tell, everyMs });

const unusable =
  ({ cert, key }: CertificateFiles) =>
  (reason: string, cause: unknown) =>
    new AmeshError(
      "authority_cannot_listen",
      `The certificate ${cert} with the key ${key} cannot be used (${reason}).`,
      {
        fix: "--cert is a PEM file with the chain, and --key the PEM file of its private key: write both anew, and let the authority read them.",
        cause,
      },
    );
