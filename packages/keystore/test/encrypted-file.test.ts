import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signableProbe, toHex } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyStoreConformance } from "../../../test/conformance/suites/key-store.js";
import { parseKeyFile } from "../src/drivers/key-file.js";
import { EncryptedFileKeyStore } from "../src/index.js";
import { cheap, codeOf, temporaryFolder } from "./fixture.js";

const open = (dir: string, passphrase: string | (() => Promise<string>) = "correct horse") =>
  new EncryptedFileKeyStore({
    dir,
    cost: cheap,
    passphrase: typeof passphrase === "string" ? async () => passphrase : passphrase,
  });

keyStoreConformance("encrypted-file", async () => {
  const dir = temporaryFolder();
  return { store: open(dir), reopen: async () => open(dir) };
});

type Editable = { kdf: object; cipher: object; ciphertext: string };

/** A key file with other members than it had. */
function edit(dir: string, change: (file: Editable) => void): void {
  const path = join(dir, "device.key");
  const file = JSON.parse(readFileSync(path, "utf8"));
  change(file);
  writeFileSync(path, JSON.stringify(file));
}

async function storeWithKey(): Promise<string> {
  const dir = temporaryFolder();
  await open(dir).generate("device");
  return dir;
}

describe("the encrypted key file", () => {
  it("opens a file made elsewhere: Argon2id, AES-256-GCM over the canonical header", async () => {
    const dir = temporaryFolder();
    writeFileSync(
      join(dir, "device.key"),
      readFileSync(new URL("./vectors/identity/device.key", import.meta.url), "utf8"),
    );
    const store = open(dir, "pass phrase of the vector");
    expect((await store.publicKey("device")).deviceId).toBe("am_GS6yJVVbPxo3EJ7v");
    expect(toHex(await store.sealingSecret("device"))).toBe("5a".repeat(32));
    const signature = await store.sign("device", signableProbe());
    expect((await store.publicKey("device")).verify(signableProbe(), signature)).toBe(true);
  });

  it("holds neither key nor secret in the clear, and is for its owner alone", async () => {
    const dir = await storeWithKey();
    const content = readFileSync(join(dir, "device.key"), "latin1");
    const secret = Buffer.from(await open(dir).sealingSecret("device"));
    for (const form of ["hex", "base64", "base64url", "latin1"] as const)
      expect(content).not.toContain(secret.toString(form));
  });

  it("spends 64 MiB and three passes unless told otherwise", async () => {
    const dir = temporaryFolder();
    const store = new EncryptedFileKeyStore({ dir, passphrase: async () => "x" });
    await store.generate("device");
    const { kdf } = parseKeyFile(readFileSync(join(dir, "device.key")));
    expect(kdf).toMatchObject({ name: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1 });
  });

  it("refuses a wrong passphrase, also while another opened the key in this process", async () => {
    const dir = await storeWithKey();
    await open(dir).sealingSecret("device");
    expect(await codeOf(() => open(dir, "wrong").sealingSecret("device"))).toBe("passphrase_wrong");
    expect(await codeOf(() => open(dir, "").sign("device", signableProbe()))).toBe("passphrase_wrong");
  });

  it("names the public key without any passphrase", async () => {
    const dir = await storeWithKey();
    const store = open(dir, () => Promise.reject(new Error("nobody should ask")));
    expect((await store.publicKey("device")).deviceId).toMatch(/^am_/);
  });

  it("asks for the passphrase once for any number of calls, and again after a failure", async () => {
    const dir = await storeWithKey();
    const answers = ["wrong", "correct horse"];
    let asked = 0;
    const store = open(dir, async () => answers[asked++] ?? "asked too often");
    const sign = () => store.sign("device", signableProbe());
    const first = await Promise.allSettled([sign(), sign(), store.sealingSecret("device")]);
    expect(first.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(asked).toBe(1);
    await Promise.all([sign(), sign(), store.sealingSecret("device")]);
    await sign();
    expect(asked).toBe(2);
  });

  it("derives the key once for everybody in the process", async () => {
    const dir = temporaryFolder();
    const slow = { memoryKiB: 256 * 1024, passes: 2, lanes: 1 };
    await new EncryptedFileKeyStore({ dir, cost: slow, passphrase: async () => "x" }).generate("device");
    const timed = async (stores: EncryptedFileKeyStore[]) => {
      const start = performance.now();
      await Promise.all(stores.map((store) => store.sealingSecret("device")));
      return performance.now() - start;
    };
    const many = () => Array.from({ length: 50 }, () => open(dir, "x"));
    const first = await timed(many());
    expect(await timed(many())).toBeLessThan(first / 3);
    expect(first).toBeLessThan(5_000);
  });

  it.each([
    ["more memory than 1 GiB", { memoryKiB: 1_048_577 }],
    ["all memory there is", { memoryKiB: 4_294_967_295 }],
    ["less memory than 19 MiB", { memoryKiB: 19_455 }],
    ["eleven passes", { passes: 11 }],
    ["no pass", { passes: 0 }],
    ["five lanes", { lanes: 5 }],
    ["half a lane", { lanes: 0.5 }],
    ["a text for a number", { passes: "3" }],
    ["another function", { name: "argon2d" }],
    ["a short salt", { salt: "AAAA" }],
    ["another member", { pepper: 1 }],
  ])("refuses a file that asks for %s, before any work", async (_, kdf) => {
    const dir = await storeWithKey();
    edit(dir, (file) => Object.assign(file.kdf, kdf));
    const start = performance.now();
    expect(await codeOf(() => open(dir).sealingSecret("device"))).toBe("key_store_damaged");
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("refuses to write with a cost out of bounds", async () => {
    const store = (cost: object) =>
      new EncryptedFileKeyStore({
        dir: temporaryFolder(),
        passphrase: async () => "x",
        cost: { ...cheap, ...cost },
      });
    await expect(store({ memoryKiB: 1024 }).generate("device")).rejects.toThrow(TypeError);
    await expect(store({ passes: 11 }).generate("device")).rejects.toThrow(TypeError);
  });

  it("seals its header: any change of it is a wrong passphrase", async () => {
    const changes: ((file: Editable) => void)[] = [
      (file) => Object.assign(file.kdf, { passes: 2 }),
      (file) => Object.assign(file.kdf, { memoryKiB: 20_000 }),
      (file) => Object.assign(file.kdf, { salt: "AAAAAAAAAAAAAAAAAAAAAA" }),
      (file) => Object.assign(file.cipher, { nonce: "AAAAAAAAAAAAAAAA" }),
      (file) => Object.assign(file, { ciphertext: `AAAA${file.ciphertext.slice(4)}` }),
      (file) =>
        Object.assign(file, { publicKey: "A2D+1Lolr5Z1LbjHV6FhNRBhVxEbMyEFy7rHKv/UtFTw".replace(/.$/, "A") }),
    ];
    for (const change of changes) {
      const dir = await storeWithKey();
      edit(dir, change);
      expect(await codeOf(() => open(dir).sealingSecret("device"))).toBe("passphrase_wrong");
    }
  });

  it.each([
    ["empty", ""],
    ["cut", '{"version":1,"publicKey":"A'],
    ["not JSON", "-----BEGIN PRIVATE KEY-----"],
    ["of a later version", '{"version":2}'],
    ["huge", `"${"x".repeat(5000)}"`],
  ])("says key_store_damaged of a file that is %s", async (_, content) => {
    const dir = await storeWithKey();
    writeFileSync(join(dir, "device.key"), content);
    expect(await codeOf(() => open(dir).publicKey("device"))).toBe("key_store_damaged");
    expect(await codeOf(() => open(dir).sign("device", signableProbe()))).toBe("key_store_damaged");
  });

  it("that is of a later version says so", async () => {
    const dir = await storeWithKey();
    writeFileSync(join(dir, "device.key"), '{"version":2}');
    await expect(open(dir).publicKey("device")).rejects.toMatchObject({
      message: "The key file cannot be read: it is of version 2, which a later amesh reads.",
      fix: "Install a later amesh.",
    });
  });

  it("notices a remembered value that was edited, exchanged or made for another key", async () => {
    const dir = await storeWithKey();
    await open(dir).generate("other");
    await open(dir).remember("device", Uint8Array.of(1));
    await open(dir).remember("other", Uint8Array.of(1));
    const path = join(dir, "device.remembered");
    const own = readFileSync(path, "utf8");
    for (const content of [
      own.replace('"AQ"', '"Ag"'),
      readFileSync(join(dir, "other.remembered"), "utf8"),
      "{}",
      "",
      own.replace('"version":1', '"version":1,"version":1'),
    ]) {
      writeFileSync(path, content);
      expect(await codeOf(() => open(dir).recall("device"))).toBe("key_store_damaged");
    }
    writeFileSync(path, own);
    expect([...((await open(dir).recall("device")) ?? [])]).toEqual([1]);
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const whole = readFileSync(join(await storeWithKey(), "device.key"), "utf8");
    const edited = fc
      .tuple(fc.nat(whole.length), fc.nat(20), fc.string({ maxLength: 8 }))
      .map(([at, length, text]) => whole.slice(0, at) + text + whole.slice(at + length));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      edited.map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        expect(await codeOf(() => parseKeyFile(content))).toMatch(/^(no error|key_store_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });
});
