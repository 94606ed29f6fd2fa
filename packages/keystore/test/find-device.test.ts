import { AmeshError, PrivateKey, type Role } from "@authmesh/core";
import { type DeviceEntry, findDevice } from "@authmesh/keystore";
import { describe, expect, it } from "vitest";

const entry = (friendlyName: string, role: Role, key = PrivateKey.generate().publicKey): DeviceEntry => ({
  deviceId: key.deviceId,
  publicKey: key.base64,
  friendlyName,
  role,
  status: "active",
  addedAt: 1_700_000_000,
  addedBy: "handshake",
  bound: true,
});

const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "found";
};

describe("a device that a person names", () => {
  const key = PrivateKey.generate().publicKey;
  const laptop = entry("Laptop", "controller", key);
  const laptopAsTarget = entry("Old laptop", "target", key);
  const twins = [entry("api", "target"), entry("api", "target")];
  const devices = [laptop, ...twins, laptopAsTarget];

  it("is found by its id, in every role", () => {
    expect(findDevice({ devices }, key.deviceId)).toEqual([laptop, laptopAsTarget]);
  });

  it("is found by its name, in every role, also those where it has another name", () => {
    expect(findDevice({ devices }, "Laptop")).toEqual([laptop, laptopAsTarget]);
  });

  it("is not guessed when several bear the name", () => {
    expect(codeOf(() => findDevice({ devices }, "api"))).toBe("device_name_ambiguous");
    expect(codeOf(() => findDevice({ devices }, twins[0]?.deviceId ?? ""))).toBe("found");
  });

  it.each(["", "laptop", "Lap", "am_", "__proto__"])("is not found as %j", (text) => {
    expect(codeOf(() => findDevice({ devices }, text))).toBe("device_not_found");
  });

  it("is found by an id rather than by another device's name that looks like it", () => {
    const impostor = entry(key.deviceId, "controller");
    expect(findDevice({ devices: [impostor, ...devices] }, key.deviceId)[0]).toBe(laptop);
  });
});
