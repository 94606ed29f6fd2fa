import { revokeDevice } from "@authmesh/keystore";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openKeyRing } from "../src/keys/open-key-ring.js";
import { publishedAfter, publishedAhead } from "../src/keys/rotation.js";
import { Device, RunningAuthority, secret } from "./running-authority.js";
import { postgres } from "./stores.js";

const wish = { aud: "api.example.com", act: "orders.write" };

describe("two replicas over one PostgreSQL", () => {
  const server = postgres();
  let env: Record<string, string>;
  let clock: number;
  let replicas: readonly [RunningAuthority, RunningAuthority];
  const now = () => clock;

  beforeAll(async () => {
    clock = Date.now();
    const place = await server.place();
    env = { DATABASE_URL: place.url, AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };
    const options = { env, issuer: "http://localhost:4000", now };
    replicas = [
      await RunningAuthority.start({ ...options, audience: ["localhost:1"] }, afterAll),
      await RunningAuthority.start({ ...options, audience: ["localhost:1"] }, afterAll),
    ];
  });

  const keysAt = async ({ url }: RunningAuthority): Promise<readonly { readonly kid: string }[]> =>
    (await (await fetch(`${url}/.well-known/jwks.json`)).json()).keys;
  const kids = async (replica: RunningAuthority) => (await keysAt(replica)).map(({ kid }) => kid).sort();

  it("publish the same keys, made once", async () => {
    expect(await kids(replicas[0])).toHaveLength(2);
    expect(await kids(replicas[1])).toEqual(await kids(replicas[0]));
  });

  it("know a device that was let in at one, and mint for it no more within a second when it was revoked at the other", async () => {
    const [one, other] = replicas;
    const device = await one.device();
    const known = () => other.authority.state.devices.findById(device.id, "controller") !== undefined;
    await vi.waitUntil(known, 2000);
    const statuses = () =>
      Promise.all(
        replicas.map(async ({ url }) => {
          const send = await device.signed("http://localhost:1", wish);
          return (await send(url, { Host: "localhost:1" })).status;
        }),
      );
    expect(await statuses()).toEqual([200, 200]);
    await other.authority.state.devices.update((draft) =>
      revokeDevice(draft, { deviceId: device.id, now: Math.floor(clock / 1000) }),
    );
    await expect.poll(statuses, { timeout: 1000, interval: 20 }).toEqual([401, 401]);
  });

  it("take a signed request once between them", async () => {
    const [one, other] = replicas;
    const device = new Device();
    await one.add(device);
    await vi.waitUntil(() => other.authority.state.devices.findById(device.id, "controller"), 2000);
    const send = await device.signed("http://localhost:1", wish);
    const headers = { Host: "localhost:1" };
    const statuses = await Promise.all(
      [one, other, one, other].map(async ({ url }) => (await send(url, headers)).status),
    );
    expect(statuses.sort()).toEqual([200, 401, 401, 401]);
  });

  it("see within a second that a person rotated the keys, and tell the audit once", async () => {
    const [one, other] = replicas;
    const before = await kids(one);
    const keys = openKeyRing(one.authority.state);
    await expect(keys.rotate()).rejects.toMatchObject({ code: "rotation_too_soon" });
    await keys.rotate({ force: true });
    const { kid } = keys.signer.publicJwk;
    for (const replica of replicas) {
      await vi.waitUntil(async () => (await kids(replica)).length === 3, 2000);
      expect(await kids(replica)).toEqual(expect.arrayContaining(before));
    }
    const told = () =>
      [...one.events, ...other.events].filter(
        ({ type, data }) => type.endsWith("key.rotated") && data["kid"] === kid,
      );
    await vi.waitUntil(() => told().length > 0, 2000);
    // Two that look at the same moment both tell of it, as one event.
    expect(new Set(told().map(({ id, source }) => `${id} ${source}`)).size).toBe(1);
  });

  it("rotate on schedule, once, when verifiers have had time to learn the next key, and drop the old one at last", async () => {
    const [one, other] = replicas;
    const stateOf = async () =>
      Object.fromEntries((await one.authority.state.store.readKeys()).map(({ kid, state }) => [state, kid]));
    const before = await stateOf();
    clock += 31 * 86_400_000;
    await vi.waitUntil(async () => (await stateOf())["active"] === before["next"], 3000);
    const after = await stateOf();
    expect(after["retiring"]).toBe(before["active"]);
    clock += (publishedAhead + publishedAfter) * 1000;
    await vi.waitUntil(async () => (await kids(one)).length === 2 && (await kids(other)).length === 2, 3000);
    expect(await stateOf()).toMatchObject({ active: after["active"], next: after["next"] });
    const gone = (await one.authority.state.store.readKeys()).filter(
      ({ state }) => state !== "active" && state !== "next",
    );
    expect(gone.every(({ sealed }) => sealed === undefined)).toBe(true);
  });

  it("refuse a third that has another secret", async () => {
    const third = RunningAuthority.start({
      env: { ...env, AMESH_AUTHORITY_SECRET: `${secret}-another` },
      issuer: "http://localhost:4000",
    });
    await expect(third).rejects.toMatchObject({ code: "key_mismatch" });
  });
});
