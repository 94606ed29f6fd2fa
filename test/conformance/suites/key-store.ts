import { PrivateKey, PublicKey, signableProbe, toLowS } from "@authmesh/core";
import type { KeyStore } from "@authmesh/keystore";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../../packages/keystore/test/fixture.js";
import { secondOpinions } from "./second-opinions.js";

type MakeStore = () => Promise<{ store: KeyStore; reopen: () => Promise<KeyStore> }>;

/** Where a store's keys come from: it makes and deletes them, or has one, "device", from its beginning. */
export type KeyOrigin = "made by the store" | "made elsewhere";

/** The key "device", there from now on. */
const obtainKey = (store: KeyStore, origin: KeyOrigin) =>
  origin === "made elsewhere" ? store.publicKey("device") : store.generate("device");

/**
 * What every key store promises, as a function of the implementation.
 *
 * @param makeStore gives a store without keys of its own making, and a way to open what it holds a second time, as
 *   another process would
 */
export function keyStoreConformance(
  name: string,
  makeStore: MakeStore,
  origin: KeyOrigin = "made by the store",
): void {
  describe(`${name} keeps the promises of a key store`, () => {
    promisesOfOrigin[origin](makeStore);

    it("signs, low-S, what the public key it names verifies, by ours and by other verifiers", async () => {
      const { store } = await makeStore();
      const key = await obtainKey(store, origin);
      expect(key).toBeInstanceOf(PublicKey);
      const [message, other] = [signableProbe(), Uint8Array.of(...signableProbe(), 0)];
      for (let i = 0; i < 12; i++) {
        const signature = await store.sign("device", message);
        expect(signature).toHaveLength(64);
        expect(toLowS(signature)).toBe(signature);
        expect(key.verify(message, signature)).toBe(true);
        for (const verifies of secondOpinions) {
          expect(verifies(key, message, signature)).toBe(true);
          expect(verifies(key, other, signature)).toBe(false);
        }
      }
    });

    it("keeps key and sealing secret for whoever opens it next", async () => {
      const { store, reopen } = await makeStore();
      const key = await obtainKey(store, origin);
      const secret = await store.sealingSecret("device");
      const again = await reopen();
      expect((await again.publicKey("device")).base64).toBe(key.base64);
      expect(await again.sealingSecret("device")).toEqual(secret);
      expect(key.verify(signableProbe(), await again.sign("device", signableProbe()))).toBe(true);
    });

    it("hands out a sealing secret of 32 bytes that no caller can change for another", async () => {
      const { store } = await makeStore();
      await obtainKey(store, origin);
      const secret = await store.sealingSecret("device");
      expect(secret).toHaveLength(32);
      const before = Uint8Array.from(secret);
      secret.fill(0);
      expect(await store.sealingSecret("device")).toEqual(before);
    });

    it("says key_not_found of an alias that names nothing", async () => {
      const { store } = await makeStore();
      for (const ask of [
        () => store.publicKey("none"),
        () => store.sign("none", signableProbe()),
        () => store.sealingSecret("none"),
        () => store.delete("none"),
      ]) {
        expect(await codeOf(ask)).toBe("key_not_found");
      }
    });

    it.each(["", ".", "../device", "a/b", "a\\b", "a\0b", "x".repeat(65)])(
      "refuses the alias %j as a mistake of the programmer",
      async (alias) => {
        const { store } = await makeStore();
        await expect(store.generate(alias)).rejects.toThrow(TypeError);
        await expect(store.publicKey(alias)).rejects.toThrow(TypeError);
      },
    );

    it("gives its key to another store of its kind, or has no way to give it out", async () => {
      const { store } = await makeStore();
      expect(store.exportKey === undefined).toBe(store.importKey === undefined);
      if (store.exportKey === undefined || store.importKey === undefined) return;
      const made = { privateKey: PrivateKey.generate(), sealingSecret: new Uint8Array(32).fill(7) };
      await store.importKey("device", made);
      expect(await codeOf(() => store.importKey?.("device", made))).toBe("key_exists");
      const { privateKey, sealingSecret } = await store.exportKey("device");
      expect(privateKey.export()).toEqual(made.privateKey.export());
      expect(Uint8Array.from(sealingSecret)).toEqual(made.sealingSecret);
      const signature = await store.sign("device", signableProbe());
      expect(made.privateKey.publicKey.verify(signableProbe(), signature)).toBe(true);
      expect(await codeOf(() => store.exportKey?.("none"))).toBe("key_not_found");
    });

    it("says who it is and what it protects", async () => {
      const { info } = (await makeStore()).store;
      expect(info.name).toMatch(/^[a-z0-9-]{1,32}$/);
      expect(info.label).not.toBe("");
      expect(info.protection).toMatch(/\.$/);
    });

    it("remembers the last bytes it was given, for the next one too, or does not offer to", async () => {
      const { store, reopen } = await makeStore();
      expect(store.remember === undefined).toBe(store.recall === undefined);
      if (store.remember === undefined || store.recall === undefined) return;
      await obtainKey(store, origin);
      expect(await store.recall("device")).toBeUndefined();
      await store.remember("device", Uint8Array.of(1));
      await store.remember("device", new Uint8Array(64).fill(7));
      expect(Uint8Array.from((await (await reopen()).recall?.("device")) ?? [])).toEqual(
        new Uint8Array(64).fill(7),
      );
      await expect(store.remember("device", new Uint8Array(65))).rejects.toThrow(TypeError);
      if (origin === "made elsewhere") return; // it is never deleted
      await store.delete("device");
      await store.generate("device");
      expect(await store.recall("device")).toBeUndefined();
    });
  });
}

/**
 * What every key store promises whose signatures come from outside of the process.
 *
 * @param makeStores gives a store without keys of its own making, and one of the same keys whose device or service
 *   signs, but not with them
 */
export function keyStoreDistrust(
  name: string,
  makeStores: () => Promise<{ honest: KeyStore; liar: KeyStore }>,
  origin: KeyOrigin = "made by the store",
): void {
  describe(`${name} believes nothing that signs`, () => {
    it("gives nobody a signature that does not fit the key", async () => {
      const { honest, liar } = await makeStores();
      const key = await obtainKey(honest, origin);
      expect(await codeOf(() => liar.sign("device", signableProbe()))).toMatch(
        /^key_(mismatch|store_damaged)$/,
      );
      expect(key.verify(signableProbe(), await honest.sign("device", signableProbe()))).toBe(true);
    });

    if (origin === "made elsewhere") return;
    it("keeps no key that does not sign", async () => {
      const { honest, liar } = await makeStores();
      expect(await codeOf(() => liar.generate("device"))).toBe("key_store_unavailable");
      expect(await codeOf(() => honest.publicKey("device"))).toBe("key_not_found");
    });
  });
}

/** What a store promises of making, deleting and telling apart keys, by where they come from. */
const promisesOfOrigin: Readonly<Record<KeyOrigin, (makeStore: MakeStore) => void>> = {
  "made by the store": (makeStore) => {
    it("never overwrites a key, also when two ask for it at once", async () => {
      const { store, reopen } = await makeStore();
      const other = await reopen();
      const results = await Promise.allSettled([store.generate("device"), other.generate("device")]);
      const made = results.filter((result) => result.status === "fulfilled");
      expect(made).toHaveLength(1);
      expect(await codeOf(() => store.generate("device"))).toBe("key_exists");
      expect((await (await reopen()).publicKey("device")).base64).toBe(made[0]?.value.base64);
    });

    it("keeps keys of different aliases apart", async () => {
      const { store } = await makeStore();
      const one = await store.generate("one");
      const two = await store.generate("two");
      expect(one.deviceId).not.toBe(two.deviceId);
      expect(await store.sealingSecret("one")).not.toEqual(await store.sealingSecret("two"));
      expect(two.verify(signableProbe(), await store.sign("one", signableProbe()))).toBe(false);
    });

    it("forgets a deleted key and gives its alias to a new one", async () => {
      const { store, reopen } = await makeStore();
      const first = await store.generate("device");
      await store.sign("device", signableProbe());
      await store.delete("device");
      expect(await codeOf(() => store.sign("device", signableProbe()))).toBe("key_not_found");
      expect(await codeOf(async () => (await reopen()).publicKey("device"))).toBe("key_not_found");
      expect((await store.generate("device")).base64).not.toBe(first.base64);
    });
  },

  // Two keys, a deleted one and a new one under its alias are what such a store cannot have: it says so each time.
  "made elsewhere": (makeStore) => {
    it("never overwrites its key, also when two ask for it at once", async () => {
      const { store, reopen } = await makeStore();
      const key = await store.publicKey("device");
      const codes = [store, await reopen()].map((asked) => codeOf(() => asked.generate("device")));
      expect(await Promise.all(codes)).toEqual(["key_exists", "key_exists"]);
      expect((await (await reopen()).publicKey("device")).base64).toBe(key.base64);
    });

    it("makes no second key, and knows none", async () => {
      const { store } = await makeStore();
      expect(await codeOf(() => store.generate("two"))).toBe("key_store_read_only");
      expect(await codeOf(() => store.publicKey("two"))).toBe("key_not_found");
    });

    it("does not delete its key, and signs on", async () => {
      const { store, reopen } = await makeStore();
      const key = await store.publicKey("device");
      expect(await codeOf(() => store.delete("device"))).toBe("key_store_read_only");
      expect(key.verify(signableProbe(), await (await reopen()).sign("device", signableProbe()))).toBe(true);
    });
  },
};
