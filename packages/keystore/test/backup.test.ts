import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PrivateKey, signableProbe, toHex } from "@authmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openBackup, parseBackup } from "../src/backup-file.js";
import {
  acceptAllowList,
  createIdentity,
  exportIdentity,
  type ImportIdentityOptions,
  importIdentity,
  openIdentity,
} from "../src/index.js";
import { add, cheap, codeOf, env, newIdentity, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";
import { SoftwareTpm } from "./swtpm.js";

const passphrase = "zwölf Boxkämpfer jagen Viktor";
const give = async () => passphrase;
const vectors = fileURLToPath(new URL("./vectors", import.meta.url));
const vector = readFileSync(join(vectors, "backup.json"), "utf8");
const vectorPassphrase = "Übung macht den Meister der Sicherung";

type Editable = Record<string, unknown> & { kdf: object; cipher: object; ciphertext: string };

function edited(change: (file: Editable) => void): Uint8Array {
  const file = JSON.parse(vector);
  change(file);
  return Buffer.from(JSON.stringify(file));
}

const newFolder = () => join(temporaryFolder(), "amesh");

/** Imports the vector into a new folder, unless told otherwise. */
const bringBack = (more: Partial<ImportIdentityOptions> = {}) =>
  importIdentity({
    backup: Buffer.from(vector),
    passphrase: async () => vectorPassphrase,
    dir: newFolder(),
    env,
    argon2: cheap,
    ...more,
  });

describe("a backup of an identity", () => {
  it("brings it back elsewhere: same name, same id, same key, same sealing secret, and an empty list", async () => {
    const open = await newIdentity({ friendlyName: "prod-api", now: () => 1_774_656_000_000 });
    const backup = await exportIdentity(open, {
      passphrase: give,
      argon2: cheap,
      now: () => 1_774_742_400_999,
    });
    const imported = await bringBack({ backup: Buffer.from(backup), passphrase: give });
    expect(imported).toMatchObject({
      identity: open.identity,
      exportedAt: 1_774_742_400,
      listProblem: undefined,
      warnings: [],
    });
    const again = await openIdentity({ dir: imported.dir, env });
    expect(open.publicKey.verify(signableProbe(), await again.sign(signableProbe()))).toBe(true);
    expect(await again.keyStore.sealingSecret("device")).toEqual(await open.keyStore.sealingSecret("device"));
    const list = await again.openAllowList();
    expect(list.state).toMatchObject({ generation: 1, maxControllers: 1, devices: [], revoked: [] });
    await list.update(add());
    const modes = readdirSync(imported.dir).map((name) => statSync(join(imported.dir, name)).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600, 0o600, 0o600]);
  });

  it("made elsewhere opens: Argon2id of the composed passphrase, AES-256-GCM over the canonical header", async () => {
    const file = parseBackup(Buffer.from(vector));
    for (const form of ["NFC", "NFD"]) {
      const { privateKey, sealingSecret } = await openBackup(file, vectorPassphrase.normalize(form));
      expect(privateKey.publicKey.deviceId).toBe("am_GS6yJVVbPxo3EJ7v");
      expect(toHex(sealingSecret)).toBe("5a".repeat(32));
    }
  });

  it("holds neither key nor secret in the clear, and costs 256 MiB and four passes to open", async () => {
    const open = await newIdentity();
    const backup = await exportIdentity(open, { passphrase: give });
    expect(JSON.parse(backup).kdf).toMatchObject({
      name: "argon2id",
      memoryKiB: 262_144,
      passes: 4,
      lanes: 1,
    });
    const { privateKey, sealingSecret } = (await open.keyStore.exportKey?.("device")) ?? {};
    for (const secret of [privateKey?.export(), sealingSecret, Buffer.from(passphrase)])
      for (const form of ["hex", "base64", "base64url", "latin1"] as const)
        expect(backup).not.toContain(Buffer.from(secret ?? []).toString(form));
  });

  it("is written for its owner alone, and never in the place of another file", async () => {
    const open = await newIdentity();
    const path = join(temporaryFolder(), "backup.json");
    const options = { path, passphrase: give, argon2: cheap };
    const backup = await exportIdentity(open, options);
    expect(readFileSync(path, "utf8")).toBe(backup);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const nobody = () => Promise.reject(new Error("nobody should ask"));
    expect(await codeOf(() => exportIdentity(open, { ...options, passphrase: nobody }))).toBe(
      "storage_failed",
    );
    rmSync(path);
    const late = async () => {
      writeFileSync(path, "somebody else's");
      return passphrase;
    };
    expect(await codeOf(() => exportIdentity(open, { ...options, passphrase: late }))).toBe("storage_failed");
    expect(readFileSync(path, "utf8")).toBe("somebody else's");
    const nowhere = { ...options, path: join(path, "below-a-file") };
    expect(await codeOf(() => exportIdentity(open, nowhere))).toBe("storage_failed");
  });

  it("under a passphrase that can be guessed is not made", async () => {
    const open = await newIdentity({ friendlyName: "payments-gateway" });
    const path = join(temporaryFolder(), "backup.json");
    const weak = { path, passphrase: async () => "Payments-Gateway 1" };
    expect(await codeOf(() => exportIdentity(open, weak))).toBe("passphrase_weak");
    expect(existsSync(path)).toBe(false);
  });

  it("cannot be made of a key in a TPM, which takes none in either", async () => {
    const tpm = await SoftwareTpm.start(onTestFinished);
    const dir = newFolder();
    await createIdentity({ friendlyName: "machine", dir, env: tpm.env });
    const open = await openIdentity({ dir, env: tpm.env });
    await expect(exportIdentity(open, { passphrase: give })).rejects.toMatchObject({
      code: "key_not_exportable",
      fix: expect.stringContaining("another controller"),
    });
    const nobody = () => Promise.reject(new Error("nobody should ask"));
    const into = { dir: newFolder(), env: tpm.env, backend: "tpm", passphrase: nobody };
    expect(await codeOf(() => bringBack(into))).toBe("key_not_exportable");
    expect(existsSync(into.dir)).toBe(false);
  });
});

describe("importing a backup", () => {
  it("leaves an identity that is there alone, and asks nothing", async () => {
    const { dir } = await newIdentity();
    const before = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    const nobody = () => Promise.reject(new Error("nobody should ask"));
    expect(await codeOf(() => bringBack({ dir, passphrase: nobody }))).toBe("identity_exists");
    expect(readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"))).toEqual(before);
  });

  it("leaves the key of another identity alone", async () => {
    const { dir } = await newIdentity();
    rmSync(join(dir, "identity.json"));
    const key = readFileSync(join(dir, "device.key"), "utf8");
    expect(await codeOf(() => bringBack({ dir }))).toBe("key_exists");
    expect(readFileSync(join(dir, "device.key"), "utf8")).toBe(key);
    expect(existsSync(join(dir, "identity.json"))).toBe(false);
  });

  it("needs its passphrase, and makes nothing without", async () => {
    const dir = newFolder();
    for (const wrong of ["", "wrong", passphrase])
      expect(await codeOf(() => bringBack({ dir, passphrase: async () => wrong }))).toBe("passphrase_wrong");
    expect(existsSync(dir)).toBe(false);
  });

  it("refuses a key store that is none, or that is not there", async () => {
    expect(await codeOf(() => bringBack({ backend: "abacus" }))).toBe("key_store_unknown");
    expect(await codeOf(() => bringBack({ backend: "tpm" }))).toBe("key_store_unavailable");
  });

  it("generates a passphrase for the key file as init does, and says so", async () => {
    const { dir, warnings } = await bringBack({ env: {} });
    expect(warnings).toMatchObject([{ code: "passphrase_generated", path: join(dir, "passphrase") }]);
    expect(await (await openIdentity({ dir, env: {} })).sign(signableProbe())).toHaveLength(64);
  });

  it("keeps the allow list that is there, which nobody believes until it is accepted", async () => {
    const dir = newFolder();
    mkdirSync(dir);
    const path = join(dir, "allow_list.json");
    cpSync(join(vectors, "identity", "allow_list.json"), path);
    const before = readFileSync(path, "utf8");
    expect((await bringBack({ dir })).listProblem).toMatchObject({ code: "allow_list_rollback" });
    expect(readFileSync(path, "utf8")).toBe(before);
    const open = await openIdentity({ dir, env });
    expect((await open.openAllowList()).check()?.code).toBe("allow_list_rollback");
    await acceptAllowList(open);
    const list = await open.openAllowList();
    expect(list.find("Asz3qHvlyhbqwAiSPaseKLgSMQWqPM2ZGHBSIspdOnzG", "controller")).toMatchObject({
      deviceId: "am_A-y0Hy0Le6ayTyT2",
    });
  });

  it("keeps a list that another identity sealed, and does not believe it", async () => {
    const dir = newFolder();
    cpSync((await newIdentity()).dir, dir, { recursive: true });
    for (const name of ["identity.json", "device.key", "device.remembered"]) rmSync(join(dir, name));
    const before = readFileSync(join(dir, "allow_list.json"), "utf8");
    expect((await bringBack({ dir })).listProblem).toMatchObject({ code: "allow_list_integrity_failure" });
    expect(readFileSync(join(dir, "allow_list.json"), "utf8")).toBe(before);
  });

  it.each([
    ["the key alone was written", ["identity.json", "allow_list.json", "device.remembered"]],
    ["the list was not remembered yet", ["identity.json", "device.remembered"]],
    ["identity.json alone was missing", ["identity.json"]],
    ["the list was removed since", ["identity.json", "allow_list.json"]],
  ])("goes on after a call that was killed when %s", async (_, missing) => {
    const { dir } = await bringBack();
    const key = readFileSync(join(dir, "device.key"), "utf8");
    for (const name of missing) rmSync(join(dir, name));
    const { identity, listProblem } = await bringBack({ dir });
    expect(listProblem).toBeUndefined();
    expect(readFileSync(join(dir, "device.key"), "utf8")).toBe(key);
    const open = await openIdentity({ dir, env });
    expect(open.identity).toEqual(identity);
    await (await open.openAllowList()).update(add());
  });

  it("says passphrase_wrong, and makes none up, when the key file of a killed call has another", async () => {
    const { dir } = await bringBack();
    rmSync(join(dir, "identity.json"));
    const wrong = { AUTH_MESH_PASSPHRASE: "another" };
    expect(await codeOf(() => bringBack({ dir, env: wrong }))).toBe("passphrase_wrong");
    expect(await codeOf(() => bringBack({ dir, env: {} }))).toBe("passphrase_missing");
    expect(existsSync(join(dir, "passphrase"))).toBe(false);
  });

  it("makes one identity when called many times at once", async () => {
    const dir = newFolder();
    const results = await Promise.allSettled(Array.from({ length: 3 }, () => bringBack({ dir })));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await openIdentity({ dir, env })).identity.deviceId).toBe("am_GS6yJVVbPxo3EJ7v");
  });
});

describe("the file of a backup", () => {
  beforeAll(build, 120_000);
  const other = PrivateKey.generate().publicKey;

  it.each<readonly [string, (file: Editable) => void]>([
    ["asks for more memory than 1 GiB", ({ kdf }) => Object.assign(kdf, { memoryKiB: 1_048_577 })],
    ["asks for all memory there is", ({ kdf }) => Object.assign(kdf, { memoryKiB: 4_294_967_295 })],
    ["asks for eleven passes", ({ kdf }) => Object.assign(kdf, { passes: 11 })],
    ["asks for five lanes", ({ kdf }) => Object.assign(kdf, { lanes: 5 })],
    ["asks for less memory than 19 MiB", ({ kdf }) => Object.assign(kdf, { memoryKiB: 19_455 })],
    ["names another function", ({ kdf }) => Object.assign(kdf, { name: "scrypt" })],
    ["names another cipher", ({ cipher }) => Object.assign(cipher, { name: "none" })],
    ["is of another type", (file) => Object.assign(file, { type: "amesh-key" })],
    ["has no version", (file) => Object.assign(file, { version: undefined })],
    ["has the id of another key", (file) => Object.assign(file, { deviceId: other.deviceId })],
    ["names a key that is none", (file) => Object.assign(file, { publicKey: "A".repeat(44) })],
    ["has a name that moves the cursor", (file) => Object.assign(file, { friendlyName: "a\u202eb" })],
    ["has another member", (file) => Object.assign(file, { note: "" })],
    [
      "is a key file",
      (file) => ["type", "deviceId", "friendlyName"].forEach((name) => void delete file[name]),
    ],
    ["is huge", (file) => Object.assign(file, { ciphertext: "x".repeat(5000) })],
  ])("is refused before any work when it %s", async (_, change) => {
    const nobody = () => Promise.reject(new Error("nobody should ask"));
    const backup = edited(change);
    expect(await codeOf(() => bringBack({ backup, passphrase: nobody }))).toBe("backup_damaged");
  });

  it("that takes more memory than there is says how much", async () => {
    const dir = temporaryFolder();
    const file = join(dir, "backup.json");
    writeFileSync(
      file,
      edited(({ kdf }) => Object.assign(kdf, { memoryKiB: 1_048_576 })),
    );
    const child = start("import-in-little-memory.js", [join(dir, "amesh"), file, vectorPassphrase]);
    expect(JSON.parse((await child.nextLine()) ?? "null")).toEqual({
      code: "key_store_unavailable",
      message:
        'Deriving the key from the passphrase takes 1024 MiB of memory, and failed: "Memory allocation error".',
      fix: expect.stringMatching(/^Give this process 1024 MiB of memory more:/),
    });
  });

  it("of a later version says so", () => {
    const later = edited((file) => Object.assign(file, { version: 2, recovery: {} }));
    expect(() => parseBackup(later)).toThrow(
      expect.objectContaining({
        code: "backup_damaged",
        message: "The backup cannot be read: it is of version 2, which a later amesh reads.",
        fix: "Install a later amesh.",
      }),
    );
  });

  it.each<readonly [string, (file: Editable) => void]>([
    ["name", (file) => Object.assign(file, { friendlyName: "prod-apj" })],
    ["time of creation", (file) => Object.assign(file, { createdAt: 1 })],
    ["time of export", (file) => Object.assign(file, { exportedAt: 1 })],
    ["key", (file) => Object.assign(file, { publicKey: other.base64, deviceId: other.deviceId })],
    ["cost", ({ kdf }) => Object.assign(kdf, { passes: 2 })],
    ["salt", ({ kdf }) => Object.assign(kdf, { salt: "AAAAAAAAAAAAAAAAAAAAAA" })],
    ["nonce", ({ cipher }) => Object.assign(cipher, { nonce: "AAAAAAAAAAAAAAAA" })],
  ])("seals its header: another %s is a wrong passphrase", async (_, change) => {
    expect(await codeOf(() => bringBack({ backup: edited(change) }))).toBe("passphrase_wrong");
  });

  it("with any byte changed opens no more, or says the same", async () => {
    const intact = parseBackup(Buffer.from(vector));
    await fc.assert(
      fc.asyncProperty(fc.nat(vector.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(vector);
        bytes[at] = (bytes[at] as number) ^ flip;
        const code = await codeOf(async () => {
          const file = parseBackup(bytes);
          await openBackup(file, vectorPassphrase);
          expect(file).toEqual(intact);
        });
        expect(code).toMatch(/^(no error|backup_damaged|passphrase_wrong)$/);
      }),
      { numRuns: 200 },
    );
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const spliced = fc
      .tuple(fc.nat(vector.length), fc.nat(20), fc.string({ maxLength: 8 }))
      .map(([at, length, text]) => vector.slice(0, at) + text + vector.slice(at + length));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      spliced.map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        expect(await codeOf(() => parseBackup(content))).toMatch(/^(no error|backup_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });
});
