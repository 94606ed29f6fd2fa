import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateKey, signableProbe } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import {
  type CreateIdentityOptions,
  createIdentity,
  createSignerKeyStore,
  openIdentity,
  openKey,
  revokeDevice,
  type SignerOptions,
} from "../src/index.js";
import { add, codeOf, env, newIdentity, temporaryFolder } from "./fixture.js";

/** What stays of a machine when its process ends: its folder, and what the service holds. */
function newMachine(options: Partial<SignerOptions> = {}) {
  const key = PrivateKey.generate();
  const keyStore = () =>
    createSignerKeyStore({
      publicKey: key.publicKey,
      sign: async (_, { message }) => key.sign(message as ReturnType<typeof signableProbe>),
      sealingSecret: async () => new Uint8Array(32).fill(7),
      ...options,
    });
  const dir = join(temporaryFolder(), "amesh");
  const create = (more: Partial<CreateIdentityOptions> = {}) =>
    createIdentity({ friendlyName: "orders", dir, env, keyStore: keyStore(), ...more });
  return { key, dir, keyStore, create, open: () => openIdentity({ dir, env, keyStore: keyStore() }) };
}

describe("an identity whose key store is given", () => {
  it("is made of the key that is there, and says so in identity.json", async () => {
    const { key, create, open } = newMachine();
    const { identity, findings, warnings } = await create();
    expect(identity).toMatchObject({
      backend: "kms",
      keyAlias: "device",
      deviceId: key.publicKey.deviceId,
    });
    expect([findings, warnings]).toEqual([[], []]);
    const machine = await open();
    expect(key.publicKey.verify(signableProbe(), await machine.sign(signableProbe()))).toBe(true);
  });

  it("keeps an allow list that the next process opens", async () => {
    const { create, open } = newMachine();
    await create({ audience: ["api.example.com"] });
    await (await (await open()).openAllowList()).update(add());
    const list = await (await open()).openAllowList();
    expect(list.check()).toBeUndefined();
    expect(list.state).toMatchObject({ generation: 2, audience: ["api.example.com"] });
  });

  it("notices an older list: where the key store cannot remember, the folder does", async () => {
    const { dir, create, open } = newMachine();
    await create();
    const publicKey = PrivateKey.generate().publicKey;
    const list = await (await open()).openAllowList();
    await list.update(add({ publicKey, role: "controller" }));
    const old = readFileSync(join(dir, "allow_list.json"));
    await list.update((draft) => revokeDevice(draft, { deviceId: publicKey.deviceId, now: 1_760_000_000 }));
    const problem = async () => (await (await open()).openAllowList()).check()?.code;
    expect(await problem()).toBeUndefined();

    writeFileSync(join(dir, "allow_list.json"), old);
    expect(await problem()).toBe("allow_list_rollback");
    rmSync(join(dir, "device.remembered"));
    expect(await problem()).toBe("allow_list_rollback");
    const forged = { version: 1, value: Buffer.from("2").toString("base64url"), mac: "A".repeat(43) };
    writeFileSync(join(dir, "device.remembered"), JSON.stringify(forged));
    expect(await problem()).toBe("allow_list_rollback");
  });

  it("goes on after an interrupted call, without a warning that a key was there", async () => {
    const { dir, create, open } = newMachine();
    await create();
    await (await (await open()).openAllowList()).update(add());
    rmSync(join(dir, "identity.json"));
    expect((await create()).warnings).toEqual([]);
    expect((await (await open()).openAllowList()).state.devices).toHaveLength(1);
  });

  it("is refused to whoever does not bring its key store, and told how to", async () => {
    const { dir, create } = newMachine();
    await create();
    await expect(openIdentity({ dir, env })).rejects.toMatchObject({
      code: "key_store_unknown",
      fix: expect.stringContaining("openIdentity({ keyStore })"),
    });
  });

  it("opens with no other key store", async () => {
    const { dir, create } = newMachine();
    await create();
    for (const other of [newMachine(), newMachine({ name: "hsm" })])
      expect(await codeOf(() => openIdentity({ dir, env, keyStore: other.keyStore() }))).toBe("key_mismatch");
    const { keyStore } = newMachine();
    const { dir: files } = await newIdentity();
    await expect(openIdentity({ dir: files, env, keyStore: keyStore() })).rejects.toThrow(
      'identity.json names the key store "encrypted-file"; the one that was given is kms.',
    );
  });

  it.each<[string, string, Partial<SignerOptions>]>([
    ["cannot seal", "key_store_unavailable", { sealingSecret: undefined as never }],
    ["may not sign", "key_store_unavailable", { sign: () => Promise.reject(new Error("denied")) }],
    ["signs with another key", "key_mismatch", { publicKey: PrivateKey.generate().publicKey }],
    ["calls its key otherwise", "key_store_read_only", { alias: "orders" }],
  ])("is not made with one that %s", async (_, code, options) => {
    const { dir, create } = newMachine(options);
    expect(await codeOf(create)).toBe(code);
    expect(existsSync(join(dir, "identity.json"))).toBe(false);
  });

  it("is made in no second place of the same name", async () => {
    const { create } = newMachine();
    await create();
    expect(await codeOf(create)).toBe("identity_exists");
    await expect(newMachine().create({ backend: "encrypted-file" })).rejects.toThrow(TypeError);
  });
});

describe("openKey", () => {
  it("takes a key from its store, without a folder", async () => {
    const { key, keyStore } = newMachine();
    const store = keyStore();
    const opened = await openKey(store);
    expect(opened).toMatchObject({ publicKey: key.publicKey, keyStore: store });
    expect(key.publicKey.verify(signableProbe(), await opened.sign(signableProbe()))).toBe(true);
    expect(await codeOf(() => openKey(store, "other"))).toBe("key_not_found");
  });
});
