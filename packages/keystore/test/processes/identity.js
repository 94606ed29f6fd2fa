// What the child processes of the tests have in common: a passphrase and the cheapest cost that is allowed.
import { PrivateKey } from "@authmesh/core";
import { addDevice, openIdentity } from "@authmesh/keystore";

export const env = { AUTH_MESH_PASSPHRASE: "correct horse" };
export const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };

export const openList = async (dir) => (await openIdentity({ dir, env })).openAllowList();

export const addOne = (list) =>
  list.update((draft) =>
    addDevice(draft, {
      publicKey: PrivateKey.generate().publicKey,
      friendlyName: "a device",
      role: "target",
      status: "active",
      addedBy: "handshake",
      bound: true,
      now: 1_760_000_000,
    }),
  );
