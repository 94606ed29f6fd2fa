import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PrivateKey, signableProbe } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { keyStoreConformance } from "../../../test/conformance/suites/key-store.js";
import { detectKeychain } from "../src/drivers/keychain.js";
import { parseKeychainFile, readKeyItem, readMemoryItem } from "../src/drivers/keychain-file.js";
import { createIdentity, KeychainKeyStore, openIdentity } from "../src/index.js";
import { keychainTrouble } from "../src/keychain/trouble.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { SecretService } from "./secret-service.js";

const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});

let keyring: SecretService;
beforeAll(async () => {
  build();
  keyring = await SecretService.start((stop) => stops.push(stop));
});

const probe = signableProbe();
const open = (dir: string, env: object = keyring.env, timeoutMs = 10_000) =>
  new KeychainKeyStore({ dir, env: { ...env }, timeoutMs });

keyStoreConformance("keychain", async () => {
  const dir = temporaryFolder();
  return { store: open(dir), reopen: async () => open(dir) };
});

/** A key in a keyring of its own, or in the one that all share. */
async function withKey(service = keyring) {
  const dir = temporaryFolder();
  const store = open(dir, service.env);
  const key = await store.generate("device");
  const file = join(dir, "device.keychain");
  const { keyAccount } = parseKeychainFile(readFileSync(file));
  return { dir, store, key, file, account: keyAccount };
}

const ownKeyring = () => SecretService.start(onTestFinished);
const processes = fileURLToPath(new URL("processes", import.meta.url));
const signIn = (dir: string, env: object, timeoutMs: number) =>
  execFileSync(process.execPath, [join(processes, "sign-with-keychain.js"), dir, String(timeoutMs)], {
    env: { ...env },
    encoding: "utf8",
    timeout: 20_000,
  }).trim();

describe("a key in the keychain", () => {
  it("leaves in the folder only where it is, and in the keychain nothing when it is deleted", async () => {
    const own = await ownKeyring();
    const { dir, store, file, account } = await withKey(own);
    await store.remember("device", Uint8Array.of(1));
    expect(readdirSync(dir)).toEqual(["device.keychain"]);
    expect(own.accounts()).toEqual([account, `${account}.remembered`]);
    const { privateKey, sealingSecret } = await store.exportKey("device");
    const content = readFileSync(file, "latin1");
    for (const secret of [privateKey.export(), sealingSecret])
      for (const form of ["hex", "base64", "base64url", "latin1"] as const)
        expect(content).not.toContain(Buffer.from(secret).toString(form));
    await store.delete("device");
    expect(own.accounts()).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is read anew for each signature: what is locked signs no more, and the secret was kept", async () => {
    const own = await ownKeyring();
    const { store, key } = await withKey(own);
    const secret = await store.sealingSecret("device");
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
    own.lock();
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_locked");
    expect(await store.sealingSecret("device")).toEqual(secret);
  });

  it("that finds its file taken takes its item back", async () => {
    const own = await ownKeyring();
    const dir = temporaryFolder();
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(() => open(dir, own.env).generate("device"))));
    expect(codes.sort()).toEqual(["key_exists", "key_exists", "no error"]);
    expect(own.accounts()).toHaveLength(1);
    expect(await codeOf(() => open(join(dir, "none"), own.env).generate("device"))).toBe("storage_failed");
    expect(own.accounts()).toHaveLength(1);
  });

  it("is deleted in the second try when the first was cut short", async () => {
    const { dir, store, account } = await withKey();
    keyring.clear(account);
    await store.delete("device");
    expect(readdirSync(dir)).toEqual([]);
    expect(await codeOf(() => store.delete("device"))).toBe("key_not_found");
  });

  it("passes through no code that the environment loads into programs", async () => {
    const { dir, key } = await withKey();
    const env = { ...keyring.env, NODE_OPTIONS: "--require /nowhere/agent.js" };
    expect(key.verify(probe, await open(dir, env).sign("device", probe))).toBe(true);
  });

  it("is detected by a round trip that leaves nothing", async () => {
    const own = await ownKeyring();
    expect(await detectKeychain(own.env)).toEqual({ available: true, reason: "it keeps secrets" });
    expect(own.accounts()).toEqual([]);
  });
});

describe("several identities", () => {
  it("live in one keyring, and one in the place of another is noticed", async () => {
    const folders = [1, 2].map(() => join(temporaryFolder(), "amesh"));
    for (const dir of folders)
      await createIdentity({ friendlyName: "machine", dir, backend: "keychain", env: keyring.env });
    const machines = await Promise.all(folders.map((dir) => openIdentity({ dir, env: keyring.env })));
    for (const machine of machines) {
      expect(machine.identity.backend).toBe("keychain");
      expect(machine.publicKey.verify(probe, await machine.sign(probe))).toBe(true);
      expect((await machine.openAllowList()).check()).toBeUndefined();
    }
    const [one = "", two = ""] = folders;
    cpSync(join(two, "device.keychain"), join(one, "device.keychain"));
    expect(await codeOf(() => openIdentity({ dir: one, env: keyring.env }))).toBe("key_mismatch");
  });

  it("notice old files that are put back, all of them together", async () => {
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "machine", dir, backend: "keychain", env: keyring.env });
    const backup = temporaryFolder();
    cpSync(dir, backup, { recursive: true });
    const list = await (await openIdentity({ dir, env: keyring.env })).openAllowList();
    await list.update((draft) => {
      draft.maxControllers = 7;
    });
    const checkNow = async () =>
      (await (await openIdentity({ dir, env: keyring.env })).openAllowList()).check()?.code;
    expect(await checkNow()).toBeUndefined();
    cpSync(backup, dir, { recursive: true, force: true });
    expect(await checkNow()).toBe("allow_list_rollback");
  });
});

describe("a folder beside another keyring", () => {
  it("can neither sign nor reseal, and loses nothing", async () => {
    const { dir, store, key } = await withKey();
    await store.remember("device", Uint8Array.of(1));
    const before = readFileSync(join(dir, "device.keychain"), "utf8");
    const other = await ownKeyring();
    const elsewhere = open(dir, other.env);
    for (const ask of [
      () => elsewhere.sign("device", probe),
      () => elsewhere.sealingSecret("device"),
      () => elsewhere.recall("device"),
      () => elsewhere.remember("device", Uint8Array.of(2)),
      () => elsewhere.exportKey("device"),
    ])
      expect(await codeOf(ask)).toBe("key_store_changed");
    expect(other.accounts()).toEqual([]);
    expect((await elsewhere.publicKey("device")).base64).toBe(key.base64);
    expect(readFileSync(join(dir, "device.keychain"), "utf8")).toBe(before);
    expect(await store.recall("device")).toEqual(Uint8Array.of(1));
  });
});

describe("an item", () => {
  const replace = (account: string, secret: string) => {
    keyring.clear(account);
    keyring.add(account, secret);
  };

  it("is what secret-tool reads, and what it puts back", async () => {
    const { store, key, account } = await withKey();
    const secret = keyring.read(account);
    expect(JSON.parse(secret)).toMatchObject({ version: 1 });
    keyring.clear(account);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_changed");
    keyring.add(account, secret);
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("of another key is no key of this file", async () => {
    const [one, two] = [await withKey(), await withKey()];
    replace(one.account, keyring.read(two.account));
    expect(await codeOf(() => one.store.sign("device", probe))).toBe("key_mismatch");
    expect(await codeOf(() => one.store.sealingSecret("device"))).toBe("key_mismatch");
  });

  it.each([
    ["is empty", () => ""],
    ["is no JSON", () => "\u001b[2J"],
    ["has a member more", (item: string) => item.replace("{", '{"more":1,')],
    ["is of another version", (item: string) => item.replace('"version":1', '"version":2')],
    ["has a short secret", (item: string) => item.replace(/.{4}"}$/, '"}')],
    [
      "holds no private key",
      (item: string) => item.replace(/"privateKey":"[^"]*"/, `"privateKey":"${"A".repeat(43)}"`),
    ],
    ["is longer than any of amesh", (item: string) => item + " ".repeat(5000)],
  ])("that %s is damaged", async (_, edit) => {
    const { store, account } = await withKey();
    replace(account, edit(keyring.read(account)));
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_damaged");
  });

  it("that is there twice is damaged", async () => {
    const { store, account } = await withKey();
    keyring.add(account, keyring.read(account));
    await expect(store.sign("device", probe)).rejects.toThrow(/more than one item/);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_damaged");
  });

  it("of the memory that was edited is damaged, and one that was removed remembers nothing", async () => {
    const { store, account } = await withKey();
    await store.remember("device", Uint8Array.of(1));
    replace(`${account}.remembered`, '{"version":1,"value":"***"}');
    expect(await codeOf(() => store.recall("device"))).toBe("key_store_damaged");
    keyring.clear(`${account}.remembered`);
    expect(await store.recall("device")).toBeUndefined();
  });
});

describe("a keyring in trouble", () => {
  it("that is locked says so at once where nobody can be asked, and serves when it is unlocked", async () => {
    const own = await ownKeyring();
    const { dir, store, key } = await withKey(own);
    own.lock();
    for (const ask of [
      () => store.sign("device", probe),
      () => store.sealingSecret("device"),
      () => store.remember("device", Uint8Array.of(1)),
      () => store.delete("device"),
      () => open(temporaryFolder(), own.env).generate("device"),
    ])
      expect(await codeOf(ask)).toBe("key_store_locked");
    expect(await detectKeychain(own.env)).toMatchObject({
      available: false,
      reason: "it is locked, and nobody unlocked it",
    });
    expect(existsSync(join(dir, "device.keychain"))).toBe(true);
    await own.killKeyring();
    await own.startKeyring();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("that asks somebody who never answers is not waited for, and keeps no program from its end", async () => {
    const own = await ownKeyring();
    const { dir, store, key } = await withKey(own);
    own.lock();
    own.letQuestionsWait();
    const began = performance.now();
    expect(signIn(dir, own.env, 500)).toMatch(/^key_store_locked: .*no answer within 0\.5 s/);
    const crowd = Array.from({ length: 20 }, () => open(dir, own.env, 300).sign("device", probe));
    expect(new Set(await Promise.all(crowd.map((signing) => codeOf(() => signing))))).toEqual(
      new Set(["key_store_locked"]),
    );
    expect(performance.now() - began).toBeLessThan(10_000);
    await own.killKeyring();
    await own.startKeyring();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("leaves no process behind when the program is killed that asked", async () => {
    const own = await ownKeyring();
    const { dir } = await withKey(own);
    own.lock();
    own.letQuestionsWait();
    const args = [join(processes, "sign-with-keychain.js"), dir, "20000"];
    const program = spawn(process.execPath, args, { env: own.env });
    const ended = new Promise((resolve) => program.once("close", resolve));
    await expect.poll(() => own.speakers(), { interval: 5, timeout: 5000 }).toBe(1);
    await expect.poll(() => own.questions(), { interval: 5, timeout: 5000 }).toBe(1);
    program.kill("SIGKILL");
    await ended;
    await expect.poll(() => own.speakers(), { interval: 5, timeout: 5000 }).toBe(0);
  });

  it("that is killed in the middle fails in plain words, and serves again when it is back", async () => {
    const own = await ownKeyring();
    const { store, key } = await withKey(own);
    const secret = await store.sealingSecret("device");
    const calls = Array.from({ length: 6 }, () => codeOf(() => store.sign("device", probe)));
    await Promise.race(calls);
    await own.killKeyring();
    const codes = new Set(await Promise.all(calls));
    expect([...codes].sort()).toEqual(["key_store_unavailable", "no error"]);
    expect(await store.sealingSecret("device")).toEqual(secret);
    await expect(store.sign("device", probe)).rejects.toThrow(/nobody offers a Secret Service/);
    await own.startKeyring();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("that hangs is busy", async () => {
    const own = await ownKeyring();
    const { store, key } = await withKey(own);
    own.freeze();
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_busy");
    own.resume();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });
});

describe("without a Secret Service", () => {
  const bare = (folder: string) => ({ PATH: process.env["PATH"], HOME: folder, XDG_RUNTIME_DIR: folder });
  const kernelKeys = () => readFileSync("/proc/keys", "utf8").match(/.*\buser\b.*/g) ?? [];

  it("there is no key store, and nothing is written: not even into the kernel's keyring", async () => {
    const dir = temporaryFolder();
    const before = kernelKeys();
    const store = open(dir, bare(dir));
    await expect(store.generate("device")).rejects.toThrow(/no D-Bus session/);
    expect(await codeOf(() => store.generate("device"))).toBe("key_store_unavailable");
    expect(await detectKeychain(bare(dir))).toMatchObject({ available: false, reason: "no D-Bus session" });
    expect(
      await codeOf(() => createIdentity({ friendlyName: "x", dir, backend: "keychain", env: bare(dir) })),
    ).toBe("key_store_unavailable");
    expect(readdirSync(dir)).toEqual([]);
    expect(kernelKeys()).toEqual(before);
  });

  it("the key waits in its keychain", async () => {
    const { dir, store, key } = await withKey();
    expect(await codeOf(() => open(dir, bare(dir)).sign("device", probe))).toBe("key_store_unavailable");
    expect(await codeOf(() => open(dir, bare(dir)).delete("device"))).toBe("key_store_unavailable");
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });
});

describe("without the package", () => {
  it("says how to get it", async () => {
    const { dir } = await withKey();
    const root = temporaryFolder();
    const scope = join(root, "node_modules", "@authmesh");
    const source = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
    mkdirSync(scope, { recursive: true });
    symlinkSync(source("core"), join(scope, "core"));
    for (const name of ["dist", "package.json"])
      cpSync(join(source("keystore"), name), join(scope, "keystore", name), { recursive: true });
    const script = join(root, "sign.mjs");
    cpSync(join(processes, "sign-with-keychain.js"), script);
    const said = execFileSync(process.execPath, [script, dir, "10000"], {
      env: keyring.env,
      encoding: "utf8",
    });
    expect(said).toMatch(/^key_store_unavailable: .*@napi-rs\/keyring is not installed/);
  });
});

describe("what the library says", () => {
  it.each([
    ["Platform failure: User interaction is not allowed.", "key_store_locked"],
    ["Couldn't access platform storage: Secret Service: object locked", "key_store_locked"],
    ["Platform failure: DBus error: Did not receive a reply. Possible causes …", "key_store_busy"],
    ["Entry is matched by 2 credentials: [SsCredential]", "key_store_damaged"],
    ["Cannot find native binding. npm has a bug", "key_store_unavailable"],
    ["A specified logon session does not exist.", "key_store_unavailable"],
    ["something that nobody has seen yet", "key_store_unavailable"],
  ])("%j is %s", (problem, code) => {
    expect(keychainTrouble(problem).toAmeshError("The keychain cannot be used").code).toBe(code);
  });

  it("reaches nobody's screen unquoted, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (problem) => {
        const { message, fix } = keychainTrouble(problem).toAmeshError("The keychain cannot be used");
        expect(message + fix).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(message.length).toBeLessThan(500);
      }),
    );
  });
});

describe("what is read", () => {
  it("is read without any other exception, whatever the bytes", async () => {
    const { file, account, key } = await withKey();
    const [whole, item] = [readFileSync(file, "utf8"), keyring.read(account)];
    const edited = (text: string) =>
      fc
        .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 8 }))
        .map(([at, length, piece]) => Buffer.from(text.slice(0, at) + piece + text.slice(at + length)));
    const json = fc.json().map((text) => Buffer.from(text));
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), edited(whole), edited(item), json);
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        const fitting = /^(no error|key_store_damaged)$/;
        expect(await codeOf(() => parseKeychainFile(content))).toMatch(fitting);
        expect(await codeOf(() => readMemoryItem(content))).toMatch(fitting);
        expect(await codeOf(() => readKeyItem(content, key))).toMatch(
          /^(no error|key_store_damaged|key_mismatch)$/,
        );
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["a public key that is none", { publicKey: "A".repeat(44) }],
    ["an item with another form", { item: "../x" }],
    ["another version", { version: 2 }],
  ])("and a file with %s is damaged", async (_, change) => {
    const { file, store } = await withKey();
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    expect(await codeOf(() => store.publicKey("device"))).toBe("key_store_damaged");
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_damaged");
  });

  it("and a file with the public key of another finds no item", async () => {
    const { file, store } = await withKey();
    const other = PrivateKey.generate().publicKey.base64;
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), publicKey: other }));
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_changed");
  });
});
