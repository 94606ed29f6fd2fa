import { AmeshError } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import { createAuthz } from "../authz/create-authz.js";
import { type ProxyName, proxyDialects } from "../authz/proxy-dialects.js";
import type { GatewaySettings } from "../config/settings.js";
import { createGateway } from "../create-gateway.js";
import { type Arguments, usage } from "./command-line.js";

/** Where a program listens. */
export interface ServedAddress {
  readonly url: string;
  readonly port: number;
  readonly adminPort?: number | undefined;
}

/** What is run until a signal stops it. */
export interface Served {
  listen(): Promise<ServedAddress>;
  reload(settings: GatewaySettings): Promise<void>;
  close(): Promise<void>;
}

/** @throws AmeshError `invalid_option`, `gateway_config_invalid`, and what else keeps it from being opened */
export async function openServed(
  { command, values }: Arguments,
  settings: GatewaySettings,
  logger: Logger,
): Promise<Served> {
  try {
    if (command !== "authz") return await createGateway(settings, { logger });
    const { host, port } = settings.listen;
    const proxy = proxyNamed(values.get("proxy"));
    const pathPrefix = String(values.get("path-prefix") ?? "");
    if (pathPrefix !== "" && proxy !== "envoy") throw usage("--path-prefix is for envoy alone.");
    return await createAuthz({ settings, proxy, pathPrefix, host, port, logger });
  } catch (error) {
    // What makes no sense to those who verify was said by a person, such as AMESH_AUDIENCE.
    if (error instanceof TypeError)
      throw new AmeshError("gateway_config_invalid", error.message, { cause: error });
    throw error;
  }
}

function proxyNamed(name: unknown): ProxyName {
  if (typeof name === "string" && Object.hasOwn(proxyDialects, name)) return name as ProxyName;
  throw usage(`--proxy takes one of ${Object.keys(proxyDialects).join(", ")}: who will ask.`);
}
