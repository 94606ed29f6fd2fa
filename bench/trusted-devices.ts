import { PrivateKey, type PublicKey, type Role, type TrustedDevice, type TrustStore } from "@authmesh/core";

/** A trust store in memory that holds `count` devices, `known` among them. */
export function trusting(known: PublicKey, count: number): TrustStore & { audience: readonly string[] } {
  const devices = new Map<string, TrustedDevice>();
  const byId = new Map<string, TrustedDevice>();
  for (let i = 0; i < count; i++) {
    const publicKey = i === count >> 1 ? known : PrivateKey.generate().publicKey;
    const device: TrustedDevice = {
      deviceId: publicKey.deviceId,
      publicKey,
      friendlyName: `device ${i}`,
      role: "controller",
      status: "active",
      bound: true,
      scopes: {},
    };
    devices.set(publicKey.base64, device);
    byId.set(device.deviceId, device);
  }
  return {
    check: () => undefined,
    find: (key: string, role: Role) => (role === "controller" ? devices.get(key) : undefined),
    findById: (id: string, role: Role) => (role === "controller" ? byId.get(id) : undefined),
    isRevoked: () => false,
    audience: [],
    onChange: () => () => {},
  };
}
