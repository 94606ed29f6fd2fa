import { PrivateKey, type Scopes } from "@authmesh/core";
import { expect, it } from "vitest";
import { EnrolledDevices } from "../../src/enrollment/enrolled-devices.js";
import type { Enrollment } from "../../src/enrollment/enrollment.js";

const seconds = 1_800_000_000;
let drawn = 0;

function enrollment(more: Partial<Enrollment> = {}): Enrollment {
  const { publicKey } = PrivateKey.generate();
  const scopes: Scopes = { orders: "rw" };
  return {
    id: `en_${String(drawn++).padStart(16, "0")}`,
    account: "@acme",
    appName: "orders",
    deviceName: "box",
    deviceId: publicKey.deviceId,
    publicKey: publicKey.base64,
    status: "approved",
    scopes,
    requested: { scopes },
    requestedAt: seconds,
    address: "192.0.2.1",
    requestDigest: "",
    s: "",
    counter: 0,
    attestation: { status: "none" },
    ...more,
  };
}

/** As the database would have them. */
function devices(...rows: Enrollment[]) {
  let monotonic = 0;
  let reads = 0;
  const live = (now: number) =>
    rows.filter(
      ({ status, expiresAt = Number.POSITIVE_INFINITY }) => status === "approved" && expiresAt > now,
    );
  const enrolled = new EnrolledDevices({
    store: {
      readLive: async (now) => {
        reads++;
        return live(now);
      },
      countLive: async (now) => live(now).length,
    },
    now: () => seconds * 1000,
    monotonic: () => monotonic,
  });
  return { enrolled, rows, pass: (ms: number) => (monotonic += ms), reads: () => reads };
}

it("knows who is approved, as a controller and by either name, and nobody else", async () => {
  const [approved, pending] = [enrollment({ expiresAt: seconds + 60 }), enrollment({ status: "pending" })];
  const { enrolled } = devices(approved, pending);
  expect(enrolled.check()?.code).toBe("database_unavailable");
  await enrolled.look();
  expect(enrolled.check()).toBeUndefined();
  const device = enrolled.findById(approved.deviceId, "controller");
  expect(device).toMatchObject({ expiresAt: seconds + 60, bound: true, scopes: { orders: "rw" } });
  expect(device?.publicKey.base64).toBe(approved.publicKey);
  expect(enrolled.find(approved.publicKey, "controller")).toBe(device);
  expect(enrolled.find(approved.publicKey, "target")).toBeUndefined();
  expect(enrolled.findById(pending.deviceId, "controller")).toBeUndefined();
});

it("takes up changes without reading everything again, and remembers who left", async () => {
  const one = enrollment();
  const { enrolled, rows, reads } = devices(one);
  await enrolled.look();
  let told = 0;
  enrolled.onChange(() => void told++);
  const revoked = { ...one, status: "revoked" as const };
  rows[0] = revoked;
  enrolled.apply(revoked);
  await enrolled.look();
  expect(enrolled.findById(one.deviceId, "controller")).toBeUndefined();
  expect(enrolled.isRevoked(one.deviceId)).toBe(true);
  rows[0] = one;
  enrolled.apply(one);
  await enrolled.look();
  expect(enrolled.isRevoked(one.deviceId)).toBe(false);
  const { publicKey } = PrivateKey.generate();
  const rotated = { ...one, deviceId: publicKey.deviceId, publicKey: publicKey.base64 };
  rows[0] = rotated;
  enrolled.apply(rotated);
  await enrolled.look();
  expect(enrolled.find(one.publicKey, "controller")).toBeUndefined();
  expect(enrolled.isRevoked(one.deviceId)).toBe(true);
  expect(enrolled.find(rotated.publicKey, "controller")?.enrollment).toBe(rotated);
  expect([reads(), told]).toEqual([1, 3]);
});

it("notices who was revoked and deleted between two looks, of which no change tells", async () => {
  const [one, two] = [enrollment(), enrollment()];
  const { enrolled, rows } = devices(one, two);
  await enrolled.look();
  rows.shift();
  await enrolled.look();
  expect(enrolled.findById(one.deviceId, "controller")).toBeUndefined();
  expect(enrolled.isRevoked(one.deviceId)).toBe(true);
  expect(enrolled.findById(two.deviceId, "controller")).toBeDefined();
});

it("knows nobody once the database was not seen for five seconds", async () => {
  const one = enrollment();
  const { enrolled, pass } = devices(one);
  await enrolled.look();
  pass(4_999);
  expect(enrolled.check()).toBeUndefined();
  expect(enrolled.isRevoked(one.deviceId)).toBe(false);
  enrolled.seen();
  pass(5_000);
  expect(enrolled.check()?.code).toBe("database_unavailable");
  expect(enrolled.isRevoked(one.deviceId)).toBe(true);
});
