import { PrivateKey, type Signable } from "@authmesh/core";
import {
  addDevice,
  createIdentity,
  createSignerKeyStore,
  openIdentity,
  openKey,
  revokeDevice,
} from "@authmesh/keystore";
import { createClient, verify } from "@authmesh/sdk";
import { expect, onTestFinished, test } from "vitest";
import { silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";
import { env, newMachine, summaryOf, temporaryFolder, trusts } from "./pairing/machine.js";
import { pair, startRelay } from "./pairing/two-people.js";

/** A key that a service holds, and how often it signed. */
function keyInService() {
  const key = PrivateKey.generate();
  const counts = { signatures: 0 };
  const keyStore = createSignerKeyStore({
    publicKey: key.publicKey,
    sign: async (_, { message }) => {
      counts.signatures++;
      return key.sign(message as Signable);
    },
    sealingSecret: async () => new Uint8Array(32).fill(7),
  });
  return { keyStore, counts };
}

const machineInService = async (friendlyName: string) => {
  const { keyStore } = keyInService();
  const dir = temporaryFolder();
  await createIdentity({ friendlyName, dir, env, keyStore });
  return openIdentity({ dir, env, keyStore });
};

test("two machines whose keys are in a service pair, call, and are refused after a revocation", async () => {
  const [target, controller] = [await machineInService("orders"), await machineInService("billing")];
  const { url: relay } = await startRelay();
  await pair({ target, controller, relay });
  expect(await summaryOf(target)).toEqual(["billing controller active"]);
  expect(await trusts(target, controller, "controller")).toBe(true);

  const list = await target.openAllowList();
  const guard = verify({ allowList: list, logger: silent });
  const { url } = await serve((request, response) => guard(request, response, () => response.end("served")));
  const client = createClient({ identity: controller, logger: silent });
  onTestFinished(() => client.close());
  expect(await (await client.fetch(url)).text()).toBe("served");

  const { deviceId } = controller.publicKey;
  await list.update((draft) => revokeDevice(draft, { deviceId, now: 1_760_000_000 }));
  expect((await client.fetch(url)).status).toBe(401);
});

test("a caller without a folder asks the service for one signature, unless sessions are off", async () => {
  const { keyStore, counts } = keyInService();
  const target = await newMachine("orders");
  const list = await target.openAllowList();
  const identity = await openKey(keyStore);
  const { publicKey } = identity;
  const entry = { role: "controller", status: "active", addedBy: "manual", bound: true } as const;
  await list.update((draft) =>
    addDevice(draft, { publicKey, friendlyName: "billing", ...entry, now: 1_760_000_000 }),
  );
  const guard = verify({ allowList: list, logger: silent });
  const { url } = await serve((request, response) => guard(request, response, () => response.end("served")));
  const calls = async (session?: boolean) => {
    counts.signatures = 0;
    const client = createClient({ identity, logger: silent, ...(session === undefined ? {} : { session }) });
    onTestFinished(() => client.close());
    for (let i = 0; i < 10; i++) expect((await client.fetch(url)).status).toBe(200);
    return counts.signatures;
  };
  expect(await calls()).toBe(1);
  expect(await calls(false)).toBe(10);
});
