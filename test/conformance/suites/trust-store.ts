import { PrivateKey, type Role, type TrustStore } from "@authmesh/core";
import { describe, expect, it } from "vitest";

/** A trust store and what changes it. */
export interface TrustStoreUnderTest {
  readonly store: TrustStore;
  trust(device: {
    publicKey: PrivateKey["publicKey"];
    role: Role;
    status: "active" | "pending";
  }): Promise<void>;
  revoke(deviceId: string): Promise<void>;
}

/**
 * What every trust store must do (docs/protocol.md, sections 2 and 5).
 *
 * @param open makes an empty store
 */
export function trustStoreConformance(name: string, open: () => Promise<TrustStoreUnderTest>): void {
  describe(`${name} as a trust store`, () => {
    it("knows nobody at first and is in order", async () => {
      const { store } = await open();
      const { publicKey } = PrivateKey.generate();
      expect(store.check()).toBeUndefined();
      expect(store.find(publicKey.base64, "controller")).toBeUndefined();
      expect(store.findById(publicKey.deviceId, "controller")).toBeUndefined();
      expect(store.isRevoked(publicKey.deviceId)).toBe(false);
    });

    it("finds a device by its key in its role, and in no other", async () => {
      const { store, trust } = await open();
      const { publicKey } = PrivateKey.generate();
      await trust({ publicKey, role: "target", status: "active" });
      expect(store.find(publicKey.base64, "controller")).toBeUndefined();
      expect(store.find(publicKey.base64, "target")).toMatchObject({
        deviceId: publicKey.deviceId,
        role: "target",
        status: "active",
      });
      expect(store.find(publicKey.base64.toLowerCase(), "target")).toBeUndefined();
    });

    it("finds the same device by its id", async () => {
      const { store, trust } = await open();
      const { publicKey } = PrivateKey.generate();
      await trust({ publicKey, role: "target", status: "active" });
      expect(store.findById(publicKey.deviceId, "controller")).toBeUndefined();
      expect(store.findById(publicKey.deviceId, "target")).toBe(store.find(publicKey.base64, "target"));
      expect(store.findById(publicKey.deviceId.toLowerCase(), "target")).toBeUndefined();
      expect(store.findById(publicKey.base64, "target")).toBeUndefined();
    });

    it("holds one device in both roles", async () => {
      const { store, trust } = await open();
      const { publicKey } = PrivateKey.generate();
      await trust({ publicKey, role: "target", status: "active" });
      await trust({ publicKey, role: "controller", status: "active" });
      expect(store.find(publicKey.base64, "target")?.role).toBe("target");
      expect(store.find(publicKey.base64, "controller")?.role).toBe("controller");
      expect(store.findById(publicKey.deviceId, "target")?.role).toBe("target");
      expect(store.findById(publicKey.deviceId, "controller")?.role).toBe("controller");
    });

    it("gives a key that verifies what the device signed", async () => {
      const { store, trust } = await open();
      const key = PrivateKey.generate();
      await trust({ publicKey: key.publicKey, role: "controller", status: "active" });
      const found = store.find(key.publicKey.base64, "controller");
      expect(found?.publicKey.bytes).toEqual(key.publicKey.bytes);
      expect(found?.publicKey).toBe(store.find(key.publicKey.base64, "controller")?.publicKey);
    });

    it("does not know a pending device", async () => {
      const { store, trust } = await open();
      const { publicKey } = PrivateKey.generate();
      await trust({ publicKey, role: "controller", status: "pending" });
      expect(store.find(publicKey.base64, "controller")).toBeUndefined();
      expect(store.findById(publicKey.deviceId, "controller")).toBeUndefined();
    });

    it("forgets a revoked device in every role and says that it was revoked", async () => {
      const { store, trust, revoke } = await open();
      const { publicKey } = PrivateKey.generate();
      await trust({ publicKey, role: "target", status: "active" });
      await trust({ publicKey, role: "controller", status: "active" });
      await revoke(publicKey.deviceId);
      expect(store.find(publicKey.base64, "controller")).toBeUndefined();
      expect(store.find(publicKey.base64, "target")).toBeUndefined();
      expect(store.findById(publicKey.deviceId, "controller")).toBeUndefined();
      expect(store.findById(publicKey.deviceId, "target")).toBeUndefined();
      expect(store.isRevoked(publicKey.deviceId)).toBe(true);
    });

    it("tells its listeners of a change, until they leave", async () => {
      const { store, trust } = await open();
      let changes = 0;
      const leave = store.onChange(() => changes++);
      await trust({ publicKey: PrivateKey.generate().publicKey, role: "target", status: "active" });
      expect(changes).toBe(1);
      leave();
      await trust({ publicKey: PrivateKey.generate().publicKey, role: "target", status: "active" });
      expect(changes).toBe(1);
    });
  });
}
