import { createHmac, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { canonicalJson, failure, type JsonValue } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AllowListContents } from "../src/allow-list-format.js";
import { openAllowList, sealAllowList } from "../src/allow-list-seal.js";
import { sealKeyOf } from "../src/seal-key.js";
import { codeOf } from "./fixture.js";

// Written by another implementation from the text of the protocol: secret 32 times 0x5a, id of the vector identity.
const file = readFileSync(new URL("./vectors/identity/allow_list.json", import.meta.url), "utf8");
const deviceId = "am_GS6yJVVbPxo3EJ7v";
const key = sealKeyOf(new Uint8Array(32).fill(0x5a), deviceId, "amesh/allow-list/1");
const { hmac, ...members } = JSON.parse(file);

const read = (text: string, withKey = key) => codeOf(() => openAllowList(Buffer.from(text), withKey));

/** The file as an attacker without the key can write it: other content, the old seal. */
const edited = (change: (list: ReturnType<typeof JSON.parse>) => void): string => {
  const list = structuredClone({ ...members, hmac });
  change(list);
  return JSON.stringify(list);
};

/** The file as amesh would never write it, though the seal fits. */
const sealed = (change: (list: ReturnType<typeof JSON.parse>) => void): string => {
  const list = structuredClone(members);
  change(list);
  return sealAllowList(list, key);
};

describe("the seal of the allow list", () => {
  it("fits the vector and is computed as docs/protocol.md says", async () => {
    expect(await read(file)).toBe("no error");
    const sealKey = hkdfSync("sha256", Buffer.alloc(32, 0x5a), deviceId, "amesh/allow-list/1", 32);
    const mac = createHmac("sha256", Buffer.from(sealKey)).update(canonicalJson(members)).digest("base64url");
    expect(hmac).toBe(mac);
    expect(JSON.parse(sealAllowList(members, key))).toEqual({ ...members, hmac });
  });

  it("that fits a list of a later version leaves the advice to install a later amesh", () => {
    const later = Buffer.from(sealed((list) => Object.assign(list, { version: 2, groups: [] })));
    expect(() => openAllowList(later, key)).toThrow(
      expect.objectContaining({
        code: "allow_list_damaged",
        message: "allow_list.json cannot be read: it is of version 2, which a later amesh reads.",
        fix: "Install a later amesh.",
      }),
    );
  });

  it("covers every member, at any depth", async () => {
    const paths: (string | number)[][] = [];
    const walk = (value: JsonValue, path: (string | number)[]): void => {
      if (typeof value === "object" && value !== null)
        for (const name of Object.keys(value))
          walk((value as Record<string, JsonValue>)[name] as JsonValue, [...path, name]);
      else paths.push(path);
    };
    walk(members, []);
    expect(paths.length).toBeGreaterThan(25);

    for (const path of paths) {
      const last = path.at(-1) as string;
      const parentOf = (list: JsonValue) =>
        path
          .slice(0, -1)
          .reduce((at, name) => (at as Record<string, JsonValue>)[name] as JsonValue, list) as Record<
          string,
          JsonValue
        >;
      const replaced = edited((list) => {
        const parent = parentOf(list);
        const value = parent[last];
        parent[last] =
          typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : `${value}x`;
      });
      expect(await read(replaced), path.join(".")).toBe("allow_list_integrity_failure");
      const removed = edited((list) => void delete parentOf(list)[last]);
      expect(await read(removed), `without ${path.join(".")}`).toBe("allow_list_integrity_failure");
    }
  });

  it.each([
    ["a tombstone is taken out", edited((list) => list.revoked.pop())],
    ["the devices change places", edited((list) => list.devices.reverse())],
    ["the hosts change places", edited((list) => list.audience.reverse())],
    ["a device is added", edited((list) => list.devices.push(list.devices[0]))],
    ["all devices are taken out", edited((list) => Object.assign(list, { devices: [] }))],
    ["a consumed token is forgotten", edited((list) => Object.assign(list, { consumed: [] }))],
    [
      "a pending device becomes active",
      edited((list) => Object.assign(list.devices[1], { status: "active" })),
    ],
    [
      "a target becomes a controller",
      edited((list) => Object.assign(list.devices[1], { role: "controller" })),
    ],
    ["an unknown member is added", edited((list) => Object.assign(list, { note: "hello" }))],
    [
      "an unknown member is added to a device",
      edited((list) => Object.assign(list.devices[0], { admin: true })),
    ],
    ["the version is another", edited((list) => Object.assign(list, { version: 2 }))],
    ["a bit of the seal flips", edited((list) => Object.assign(list, { hmac: `A${hmac.slice(1)}` }))],
    ["the seal is all zero", edited((list) => Object.assign(list, { hmac: "A".repeat(43) }))],
    [
      "the seal is another list's",
      edited((list) => Object.assign(list, { hmac: JSON.parse(sealed((l) => l.generation++)).hmac })),
    ],
  ])("breaks when %s", async (_, text) => {
    expect(await read(text)).toBe("allow_list_integrity_failure");
  });

  it("does not fit under another identity's key, nor under another secret", async () => {
    const other = sealKeyOf(new Uint8Array(32).fill(0x5a), "am_AAAAAAAAAAAAAAAA", "amesh/allow-list/1");
    expect(await read(file, other)).toBe("allow_list_integrity_failure");
    expect(await read(file, sealKeyOf(new Uint8Array(32), deviceId, "amesh/allow-list/1"))).toBe(
      "allow_list_integrity_failure",
    );
  });

  it.each([
    ["is empty", ""],
    ["is cut", file.slice(0, file.length / 2)],
    ["is not UTF-8", "\ud800"],
    ["is null", "null"],
    ["is a list", "[]"],
    ["has no seal", JSON.stringify(members)],
    ["has a short seal", edited((list) => Object.assign(list, { hmac: hmac.slice(4) }))],
    ["has a number for a seal", edited((list) => Object.assign(list, { hmac: 0 }))],
    ["has a seal spelt another way", edited((list) => Object.assign(list, { hmac: `${hmac}=` }))],
    ["names a member twice", file.replace('"version"', '"generation": 9, "version"')],
    ["names a member of a device twice", file.replace('"role"', '"role": "target", "role"')],
    ["names the seal twice", file.replace('"hmac"', `"hmac": "${hmac}", "hmac"`)],
    ["has text after its end", `${file}{}`],
    ["is nested without end", "[".repeat(100_000)],
    ["is larger than any list", `"${"x".repeat(33 << 20)}"`],
  ])("is not even looked for when the file %s", async (_, text) => {
    expect(await read(text)).toBe("allow_list_damaged");
  });

  it.each([
    ["has an unknown member", sealed((list) => Object.assign(list, { note: 1 }))],
    ["has an unknown member in a device", sealed((list) => Object.assign(list.devices[0], { note: 1 }))],
    ["lacks a member", sealed((list) => void delete list.consumed)],
    ["is of a later version", sealed((list) => Object.assign(list, { version: 2 }))],
    ["is of generation 0", sealed((list) => Object.assign(list, { generation: 0 }))],
    ["has a role nobody knows", sealed((list) => Object.assign(list.devices[0], { role: "root" }))],
    [
      "has a name that is not clean",
      sealed((list) => Object.assign(list.devices[0], { friendlyName: "a\u202eb" })),
    ],
    [
      "has a scope that is none",
      sealed((list) => Object.assign(list.devices[0], { scopes: { orders: "x" } })),
    ],
    ["has the same entry twice", sealed((list) => list.devices.push(list.devices[0]))],
    [
      "has an id that is not its key's",
      sealed((list) => Object.assign(list.devices[0], { deviceId: deviceId })),
    ],
    [
      "has two keys under one id",
      sealed((list) => list.devices.push({ ...list.devices[1], deviceId: list.devices[0].deviceId })),
    ],
    [
      "has an active controller that is revoked",
      sealed((list) => Object.assign(list.revoked[0], { deviceId: list.devices[0].deviceId })),
    ],
    ["has two tombstones of one device", sealed((list) => list.revoked.push(list.revoked[0]))],
    ["has a host that is no text", sealed((list) => Object.assign(list, { audience: [1] }))],
    ["has no room for a controller", sealed((list) => Object.assign(list, { maxControllers: 0 }))],
  ])("does not make a list good that %s", async (_, text) => {
    expect(await read(text)).toBe("allow_list_damaged");
  });

  it("admits one device in both roles", async () => {
    const both = sealed((list) => list.devices.push({ ...list.devices[0], role: "target" }));
    expect(await read(both)).toBe("no error");
  });

  it("does not mind how the file is laid out: only what it says is sealed", async () => {
    const entries = Object.entries(JSON.parse(file)).reverse();
    expect(await read(JSON.stringify(Object.fromEntries(entries)))).toBe("no error");
  });

  it("answers the same to every damaged file over HTTP: the seed's one code", () => {
    for (const code of ["allow_list_damaged", "allow_list_missing", "allow_list_rollback"] as const)
      expect(failure(code)).toMatchObject({ public: "allow_list_integrity_failure", status: 500 });
  });

  it("is read without any other exception, and never believed without the key, whatever the bytes", async () => {
    const spliced = fc
      .tuple(fc.nat(file.length), fc.nat(40), fc.string({ maxLength: 12 }))
      .map(([at, length, text]) => file.slice(0, at) + text + file.slice(at + length));
    const text = fc.oneof(fc.string({ maxLength: 200 }), fc.json(), spliced);
    const same = canonicalJson(members);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          text.map((t) => Buffer.from(t)),
          fc.uint8Array(),
        ),
        async (bytes) => {
          const code = await codeOf(() => {
            expect(canonicalJson(openAllowList(bytes, key) as unknown as JsonValue)).toBe(same);
          });
          expect(code).toMatch(/^(no error|allow_list_damaged|allow_list_integrity_failure)$/);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("makes no exception of what is sealed and yet no list", async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), async (extra, whole) => {
        const list = { ...(whole ? members : {}), ...extra } as AllowListContents;
        const code = await read(sealAllowList(JSON.parse(JSON.stringify(list)), key));
        expect(code).toMatch(/^(no error|allow_list_damaged)$/);
      }),
      { numRuns: 500 },
    );
  });
});
