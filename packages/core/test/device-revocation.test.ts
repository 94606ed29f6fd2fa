import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../src/canonical-json.js";
import {
  createDeviceRevocation,
  PrivateKey,
  readDeviceRevocation,
  type SignableRequest,
  signCompactJws,
} from "../src/index.js";
import { anyText } from "./any-text.js";

const device = () => {
  const key = PrivateKey.generate();
  return {
    publicKey: key.publicKey,
    sign: async (message: Uint8Array) => key.sign(message as SignableRequest),
  };
};
const signer = device();
const stranger = device();
const lost = "am_AAAAAAAAAAAAAAAA";
const now = () => 1_800_000_000_999;

/** A statement with other members, signed all the same. */
const signed = (change: JsonObject, kid = signer.publicKey.deviceId) =>
  signCompactJws(
    "amesh-revocation+jwt",
    kid,
    {
      iss: signer.publicKey.deviceId,
      key: signer.publicKey.base64,
      seq: 1,
      iat: 1,
      action: "revoke",
      device: lost,
      ...change,
    },
    signer.sign,
  );

describe("a revocation by a device", () => {
  it.each(["revoke", "unrevoke"] as const)("says what it was told: %s", async (action) => {
    const jws = await createDeviceRevocation(signer, { action, device: lost, seq: 7, reason: "stolen", now });
    const read = readDeviceRevocation(jws);
    expect(read).toMatchObject({ action, device: lost, seq: 7, iat: 1_800_000_000, reason: "stolen" });
    if (typeof read === "string") throw new Error(read);
    expect(read.signer).toBe(signer.publicKey.deviceId);
    expect(read.isSigned()).toBe(true);
  });

  it("is read, and not signed, where another key signed it", async () => {
    const { publicKey } = signer;
    const jws = await createDeviceRevocation(
      { publicKey, sign: stranger.sign },
      { action: "revoke", device: lost, seq: 1 },
    );
    expect(readDeviceRevocation(jws)).toMatchObject({ seq: 1 });
    expect((readDeviceRevocation(jws) as { isSigned(): boolean }).isSigned()).toBe(false);
  });

  it.each<[string, JsonObject]>([
    ["number 0", { seq: 0 }],
    ["a number that is no integer any more", { seq: 2 ** 53 }],
    ["another action", { action: "delete" }],
    ["a device that is none", { device: "*" }],
    ["a reason of two lines", { reason: "a\nb" }],
    ["a reason of two lines to some", { reason: "a\u2028b" }],
    ["a reason that turns what follows around", { reason: "a\u202eb" }],
    ["a reason of 257 characters", { reason: "a".repeat(257) }],
    ["the key of another device", { key: stranger.publicKey.base64 }],
    [
      "the key and the id of another device",
      {
        key: stranger.publicKey.base64,
        iss: stranger.publicKey.deviceId,
      },
    ],
    ["a key that is none", { key: "A".repeat(44) }],
    ["a key in base64url", { key: "-".repeat(44) }],
    ["a member more", { expiresAt: 1 }],
  ])("is none with %s", async (_, change) => {
    expect(readDeviceRevocation(await signed(change))).toBeTypeOf("string");
  });

  it("is none without any of its members but the reason", async () => {
    for (const missing of ["iss", "key", "seq", "iat", "action", "device"]) {
      const jws = await signed({});
      const [header, payload = "", signature] = jws.split(".");
      const { [missing]: _, ...rest } = JSON.parse(Buffer.from(payload, "base64url").toString());
      const short = Buffer.from(JSON.stringify(rest)).toString("base64url");
      expect(readDeviceRevocation([header, short, signature].join("."))).toBeTypeOf("string");
    }
  });

  it("is not made of what nobody would read", async () => {
    for (const wrong of [{ seq: 0 }, { device: "x" }, { reason: "" }])
      await expect(
        createDeviceRevocation(signer, { action: "revoke", device: lost, seq: 1, ...wrong }),
      ).rejects.toThrow(TypeError);
  });

  it("is read or is half a sentence, whatever the text", async () => {
    const good = await signed({});
    const nearly = fc
      .tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
      .map(([at, other]) => good.slice(0, at) + other + good.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(anyText(), nearly), (text) => {
        const read = readDeviceRevocation(text);
        if (typeof read === "object" && text !== good) expect(read.isSigned()).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
