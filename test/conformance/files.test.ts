import { createHmac, hkdfSync } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalJson, type JsonValue, PrivateKey } from "@authmesh/core";
import {
  type AllowListState,
  addDevice,
  createIdentity,
  exportIdentity,
  type OpenIdentity,
  openIdentity,
  revokeDevice,
  setAudience,
} from "@authmesh/keystore";
import { hashRaw } from "@node-rs/argon2";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { askPython } from "./python-peer.js";

type Verdict = Partial<AllowListState> & { readonly refused?: string };
type Members = Record<string, JsonValue>;

const vector = fileURLToPath(new URL("../../packages/keystore/test/vectors/identity", import.meta.url));
const env = { AUTH_MESH_PASSPHRASE: "pass phrase of the vector" };
const base64 = (data: Uint8Array | string) => Buffer.from(data).toString("base64");
const fileOf = (open: OpenIdentity, name: string) => readFileSync(join(open.dir, name));

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-files-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Argon2id, which the reader in Python does not have. */
const derive = (
  passphrase: string,
  kdf: { memoryKiB: number; passes: number; lanes: number; salt: string },
): Promise<Buffer> =>
  hashRaw(passphrase, {
    algorithm: 2,
    memoryCost: kdf.memoryKiB,
    timeCost: kdf.passes,
    parallelism: kdf.lanes,
    outputLen: 32,
    salt: Buffer.from(kdf.salt, "base64url"),
  });

/** The identity of the vectors, in a folder of its own. */
async function openVector(): Promise<OpenIdentity> {
  const dir = temporaryFolder();
  cpSync(vector, dir, { recursive: true });
  return openIdentity({ dir, env });
}

/** What the reader in Python says of an identity's list, or of other texts in its place. */
async function readInPython(open: OpenIdentity, lists?: readonly (Uint8Array | string)[]) {
  const sealingSecret = base64(await open.keyStore.sealingSecret(open.identity.keyAlias));
  const { deviceId } = open.identity;
  const remembered = base64(fileOf(open, "device.remembered"));
  const asked = (lists ?? [fileOf(open, "allow_list.json")]).map((list) => ({
    sealingSecret,
    deviceId,
    remembered,
    allowList: base64(list),
  }));
  return askPython<Verdict>([], asked, "read_allow_list.py");
}

/** What our code says of them. */
async function readHere(open: OpenIdentity, lists: readonly (Uint8Array | string)[]): Promise<string[]> {
  const verdicts: string[] = [];
  for (const text of lists) {
    writeFileSync(join(open.dir, "allow_list.json"), text);
    verdicts.push((await open.openAllowList()).check()?.code ?? "accepted");
  }
  return verdicts;
}

const verdictsOf = (answers: readonly Verdict[]) => answers.map(({ refused }) => refused ?? "accepted");

describe("a reader in Python that knows docs/protocol.md alone", () => {
  it("opens a key file, and finds the sealing secret that the key store gives", async () => {
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "prod-api", dir, env });
    const open = await openIdentity({ dir, env });
    const file = fileOf(open, "device.key");
    const { kdf } = JSON.parse(file.toString());
    expect(kdf).toMatchObject({ name: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1 });
    const key = await derive(env.AUTH_MESH_PASSPHRASE, kdf);
    const asked = [key, Buffer.alloc(32)].map((bytes) => ({ keyFile: base64(file), key: base64(bytes) }));
    expect(await askPython([], asked, "read_allow_list.py")).toEqual([
      {
        deviceId: open.identity.deviceId,
        sealingSecret: base64(await open.keyStore.sealingSecret("device")),
      },
      { refused: "passphrase_wrong" },
    ]);
  });

  it("opens a backup, and refuses one that was changed", async () => {
    const open = await openVector();
    const passphrase = "zwölf Boxkämpfer jagen Viktor";
    const backup = await exportIdentity(open, { passphrase: async () => passphrase });
    const key = await derive(passphrase, JSON.parse(backup).kdf);
    const renamed = backup.replace('"prod-api"', '"prod-apj"');
    const another = backup.replace(open.identity.deviceId, "am_LiapatIyg0voHRdx");
    const asked = [backup, renamed, another].map((text) => ({ backup: base64(text), key: base64(key) }));
    expect(await askPython([], asked, "read_allow_list.py")).toEqual([
      { deviceId: open.identity.deviceId, sealingSecret: base64(Buffer.alloc(32, 0x5a)) },
      { refused: "passphrase_wrong" },
      { refused: "backup_damaged" },
    ]);
  });

  it("reads the allow list that our code writes, as our code reads it", async () => {
    const open = await openVector();
    const list = await open.openAllowList();
    const now = 1_774_800_000;
    await list.update((draft) => {
      const added = ["Büro-Rechner", "サーバー 🖥 1", 'quotes " and \\'].map((friendlyName) =>
        addDevice(draft, {
          publicKey: PrivateKey.generate().publicKey,
          friendlyName,
          role: "target",
          status: "active",
          addedBy: "handshake",
          bound: true,
          now,
        }),
      );
      revokeDevice(draft, { deviceId: added[0]?.deviceId ?? "", now });
      setAudience(draft, ["bücher.example", "[2001:db8::1]:8443"]);
    });
    expect(await readInPython(open)).toEqual([list.state]);
  });

  it("refuses an older list, and one whose generation nobody remembers", async () => {
    const open = await openVector();
    const older = fileOf(open, "allow_list.json");
    await (await open.openAllowList()).update((draft) => setAudience(draft, []));
    const newer = fileOf(open, "allow_list.json");
    expect(verdictsOf(await readInPython(open, [older, newer]))).toEqual(["allow_list_rollback", "accepted"]);
    expect(await readHere(open, [older, newer])).toEqual(["allow_list_rollback", "accepted"]);
    writeFileSync(join(open.dir, "device.remembered"), "{}");
    expect(verdictsOf(await readInPython(open, [newer]))).toEqual(["allow_list_rollback"]);
    expect(await readHere(open, [newer])).toEqual(["allow_list_rollback"]);
  });
});

describe("our reader and the one in Python agree", () => {
  const written = readFileSync(join(vector, "allow_list.json"), "utf8");
  const { hmac: _, ...contents } = JSON.parse(written) as Members & {
    devices: Members[];
    revoked: Members[];
  };
  const secret = Buffer.alloc(32, 0x5a);
  const sealKey = Buffer.from(hkdfSync("sha256", secret, "am_GS6yJVVbPxo3EJ7v", "amesh/allow-list/1", 32));

  /** The list as somebody with the sealing secret, and without our code, can write it. */
  function sealed(change: (list: typeof contents) => void): string {
    const list = structuredClone(contents);
    change(list);
    const hmac = createHmac("sha256", sealKey).update(canonicalJson(list)).digest("base64url");
    return JSON.stringify({ ...list, hmac });
  }

  async function expectOf(verdict: string, lists: readonly (Uint8Array | string)[]): Promise<void> {
    const open = await openVector();
    const expected = lists.map(() => verdict);
    expect(verdictsOf(await readInPython(open, lists))).toEqual(expected);
    expect(await readHere(open, lists)).toEqual(expected);
  }

  it("on lists that are spelt in another way and say the same", () =>
    expectOf("accepted", [
      written,
      JSON.stringify(JSON.parse(written)),
      ` ${written.replace('"generation": 7', '"generation": 7.0e0')}\n`,
      written.replace("dév", "d\\u00e9v"),
      sealed(() => {}),
      sealed((list) => Object.assign(list, { generation: 2 ** 53 - 1, maxControllers: 10_000 })),
      sealed((list) => delete list["audience"]),
      sealed((list) => Object.assign(list.devices[0] ?? {}, { scopes: { "*": "r", "__manage.x-1": "rw" } })),
      sealed((list) => list.revoked.push({ ...list.revoked[0], deviceId: "am_LiapatIyg0voHRdx" })),
      sealed(({ devices, revoked }) => {
        revoked.push({ ...revoked[0], deviceId: "am_LiapatIyg0voHRdx" });
        Object.assign(devices[1] ?? {}, { status: "active" });
      }),
    ]));

  it("on lists that were edited", () =>
    expectOf("allow_list_integrity_failure", [
      written.replace("controller", "target"),
      written.replace("pending", "active"),
      written.replace('"generation": 7', '"generation": 8'),
      written.replace('"generation": 7', '"generation": 7.5'),
      written.replace('"generation": 7', '"generation": true'),
      written.replace('"generation": 7', '"generation": "7"'),
      written.replace('"orders": "rw"', '"orders": "r"'),
      written.replace('"audience"', '"hosts"'),
      written.replace('"version": 1,', '"version": 1, "note": null,'),
      written.replace('"hmac": "M', '"hmac": "A'),
      written.replace(/"hmac": "[^"]*/, `"hmac": "${"A".repeat(43)}`),
    ]));

  it("on what is no sealed list", () =>
    expectOf("allow_list_damaged", [
      "",
      "null",
      "[]",
      "{}",
      "[".repeat(100_000),
      written.slice(0, -4),
      `\ufeff${written}`,
      Buffer.from(written, "latin1"),
      written.replace('"version": 1,', '"version": 1, "version": 1,'),
      written.replace('"version": 1,', '"version": 1e999,'),
      written.replace('"version": 1,', '"version": NaN,'),
      written.replace("dév", "\\ud800"),
      written.replace('"hmac"', '"seal"'),
      written.replace(/"hmac": "./, '"hmac": "'),
      written.replace(/.(?="\n}\n$)/, "J"),
      written.replace(/"hmac": .*/, '"hmac": 7'),
    ]));

  it("on lists that are sealed and yet not lists", () => {
    const device = (change: object) => sealed(({ devices }) => Object.assign(devices[0] ?? {}, change));
    const whole = (change: object) => sealed((list) => Object.assign(list, change));
    return expectOf("allow_list_damaged", [
      whole({ version: 2 }),
      whole({ version: true }),
      whole({ note: "" }),
      whole({ generation: 0 }),
      whole({ generation: 2 ** 53 }),
      whole({ generation: 7.5 }),
      whole({ maxControllers: 0 }),
      whole({ maxControllers: 10_001 }),
      whole({ audience: [""] }),
      whole({ audience: ["a b"] }),
      whole({ audience: Array(65).fill("a") }),
      whole({ audience: null }),
      whole({ updatedAt: -1 }),
      whole({ updatedAt: 253_402_300_800 }),
      whole({ devices: {} }),
      whole({ consumed: [{ jti: "", expiresAt: 1 }] }),
      whole({ consumed: [{ jti: "x".repeat(129), expiresAt: 1 }] }),
      sealed((list) => delete list["consumed"]),
      device({ admin: true }),
      device({ deviceId: "am_LiapatIyg0voHRdx" }),
      device({ deviceId: "am_AAAAAAAAAAAAAAAA" }),
      device({ publicKey: "A" }),
      device({ friendlyName: "" }),
      device({ friendlyName: "x".repeat(65) }),
      device({ role: "owner" }),
      device({ status: "revoked" }),
      device({ addedAt: 1.5 }),
      device({ addedBy: "me" }),
      device({ bound: 1 }),
      device({ scopes: { orders: "w" } }),
      device({ scopes: { "a.b.c": "r" } }),
      device({ scopes: { Orders: "r" } }),
      device({ scopes: [] }),
      device({ expiresAt: "never" }),
      sealed(({ devices }) => devices.push({ ...devices[0] })),
      sealed(({ devices }) => delete devices[0]?.["bound"]),
      sealed(({ devices, revoked }) =>
        revoked.push({ ...revoked[0], deviceId: devices[0]?.["deviceId"] ?? "" }),
      ),
      sealed(({ revoked }) => revoked.push({ ...revoked[0] })),
    ]);
  });

  it("on whatever the bytes", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .tuple(fc.nat(written.length), fc.nat(3), fc.string({ unit: "binary", maxLength: 3 }))
        .map(([at, gone, put]) => Buffer.from(written.slice(0, at) + put + written.slice(at + gone))),
    );
    const lists = fc.sample(bytes, { numRuns: 500, seed: 1 });
    const open = await openVector();
    const verdicts = await readHere(open, lists);
    expect(verdictsOf(await readInPython(open, lists))).toEqual(verdicts);
    expect([...new Set(verdicts)].toSorted()).toEqual([
      "accepted",
      "allow_list_damaged",
      "allow_list_integrity_failure",
    ]);
  });
});
