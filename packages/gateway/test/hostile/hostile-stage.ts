import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addDevice, createIdentity, openIdentity, setMaxControllers } from "@authmesh/keystore";
import { vi } from "vitest";
import type { GatewaySettings, RouteSettings, UpstreamSettings } from "../../src/config/settings.js";
import { createGateway, type Gateway } from "../../src/create-gateway.js";
import { makeDevice, silent } from "../fixtures/callers.js";
import { settingsOf } from "../fixtures/settings.js";

/** What the devices sign for, and the Host that the tests write. */
export const host = "api.example.com";

export interface HostileStage {
  readonly gateway: Gateway;
  readonly port: number;
}

/** A whole gateway before one upstream. */
export async function openGateway(
  url: URL,
  routes: readonly RouteSettings[],
  given: Partial<GatewaySettings> = {},
  upstream: Partial<UpstreamSettings> = {},
): Promise<HostileStage> {
  const service: UpstreamSettings = {
    name: "service",
    urls: [url],
    host: "caller",
    maxConnections: 16,
    connectTimeoutMs: 2000,
    health: undefined,
    ca: undefined,
    ...upstream,
  };
  const settings = settingsOf({ drainSeconds: 0, upstreams: [service], routes, ...given });
  const gateway = await createGateway(settings, { logger: silent });
  const { port } = await gateway.listen();
  return { gateway, port };
}

/** Two devices that a gateway trusts: one may read `orders`, the other one `admin` as well. */
export async function trustedDevices() {
  const folder = mkdtempSync(join(tmpdir(), "amesh-hostile-"));
  const dir = join(folder, "server");
  const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  await createIdentity({
    dir,
    env,
    friendlyName: "server",
    argon2: { memoryKiB: 19 * 1024, passes: 1, lanes: 1 },
  });
  const list = await (await openIdentity({ dir, env })).openAllowList();
  await list.update((draft) => setMaxControllers(draft, 2));
  const [till, boss] = [makeDevice(), makeDevice()];
  const scopes = new Map([
    [till, { orders: "r" as const }],
    [boss, { orders: "rw" as const, admin: "rw" as const }],
  ]);
  for (const [device, granted] of scopes)
    await list.update((draft) =>
      addDevice(draft, {
        publicKey: device.publicKey,
        friendlyName: device === till ? "till" : "boss",
        role: "controller",
        status: "active",
        addedBy: "manual",
        bound: true,
        scopes: granted,
        acceptRevoked: true,
        now: 1_800_000_000,
      }),
    );
  const verification = { ...settingsOf().verification, audience: [host], identity: dir };
  return {
    till,
    boss,
    verification,
    close() {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    },
  };
}

type Device = ReturnType<typeof makeDevice>;

/** The lines of a proof for a request without a body. */
export async function proofLines(device: Device, target: string, method = "GET"): Promise<string> {
  const proof = await device.client.headers(new URL(`http://${host}${target}`), { method });
  return Object.entries(proof)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}

/** A request of a device, with more headers or without. */
export const signedRequest = async (device: Device, target: string, more = ""): Promise<string> =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${await proofLines(device, target)}${more}\r\n`;
