import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { splitHosts } from "@authmesh/core";
import { type AllowListState, type Environment, identityFolder, readDeviceList } from "@authmesh/keystore";
import { acceptsDevices } from "../admit/verifiers.js";
import type { GatewaySettings } from "../config/settings.js";
import type { ServedAddress } from "./served.js";

/** What a person may do once the gateway listens: let a machine in, where none can be yet, and call. */
export async function nextStep(
  { verification, routes, listen }: GatewaySettings,
  address: ServedAddress,
  env: Environment,
): Promise<string> {
  const { audience, identity, authority } = verification;
  const list = await listIn(identityFolder({ dir: identity, env }));
  const [host] = [audience ?? [], splitHosts(env["AMESH_AUDIENCE"] ?? ""), list.audience ?? []].flat();
  const url =
    host === undefined ? reachable(address.url) : urlOf(host, address.port, listen.tls !== undefined);
  if (!routes.some(acceptsDevices))
    return routes.some(({ accept }) => accept.has("token"))
      ? `Next: have a caller send its token to ${url}/`
      : `Next: curl ${url}/`;
  const someone = list.devices?.some(({ role, status }) => role === "controller" && status === "active");
  return someone || authority?.account !== undefined
    ? `Next, on a machine that is let in: amesh request GET ${url}/`
    : `Next: amesh listen, to let a machine in; then there: amesh request GET ${url}/`;
}

/** For a hint alone: nobody is let in by it, so that its seal, which needs a passphrase, is not looked at. */
async function listIn(folder: string): Promise<Partial<AllowListState>> {
  const path = join(folder, "allow_list.json");
  try {
    const { hmac: _, ...contents } = JSON.parse(await readFile(path, "utf8"));
    return readDeviceList(contents, path);
  } catch {
    return {};
  }
}

/** A host that is called at another port than this one has something in front that speaks TLS. */
function urlOf(host: string, port: number, tls: boolean): string {
  const called = Number(/:(\d+)$/.exec(host)?.[1] ?? (tls ? 443 : 80));
  return `${tls || called !== port ? "https" : "http"}://${host}`;
}

/** Every address of a machine is none to call. */
const reachable = (url: string): string => url.replace(/\/\/(?:0\.0\.0\.0|\[::\])(?=:)/, "//localhost");
