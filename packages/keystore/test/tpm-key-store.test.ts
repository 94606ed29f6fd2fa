import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type PublicKey, signableProbe, toLowS } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { keyStoreConformance, keyStoreDistrust } from "../../../test/conformance/suites/key-store.js";
import { parseTpmFile } from "../src/drivers/tpm-file.js";
import { addDevice, createIdentity, openIdentity, TpmKeyStore } from "../src/index.js";
import { createStorageRoot } from "../src/tpm/commands.js";
import { writeCommand } from "../src/tpm/message.js";
import { codeOf, newDevice, temporaryFolder } from "./fixture.js";
import { SoftwareTpm } from "./swtpm.js";

const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});
const atTheEnd = (stop: () => void) => void stops.push(stop);

let tpm: SoftwareTpm;
beforeAll(async () => {
  tpm = await SoftwareTpm.start(atTheEnd);
});

const probe = signableProbe();
const open = (dir: string, env: object = tpm.env, timeoutMs = 10_000) =>
  new TpmKeyStore({ dir, env: { ...env }, timeoutMs });

keyStoreConformance("tpm over a Unix socket", async () => {
  const dir = temporaryFolder();
  return { store: open(dir), reopen: async () => open(dir) };
});

keyStoreDistrust("tpm", async () => {
  const own = await SoftwareTpm.start(onTestFinished);
  const dir = temporaryFolder();
  return { honest: open(dir, own.env), liar: open(dir, await own.liar()) };
});

describe("over TCP", () => {
  let other: SoftwareTpm;
  beforeAll(async () => {
    other = await SoftwareTpm.start(atTheEnd, "tcp");
  });
  keyStoreConformance("tpm over TCP", async () => {
    const dir = temporaryFolder();
    return { store: open(dir, other.env), reopen: async () => open(dir, other.env) };
  });
});

describe("over a character device", () => {
  let other: SoftwareTpm;
  let device: string;
  beforeAll(async () => {
    other = await SoftwareTpm.start(atTheEnd);
    device = await other.device();
  });
  keyStoreConformance("tpm over a character device", async () => {
    const dir = temporaryFolder();
    const env = { AMESH_TPM: device };
    return { store: open(dir, env), reopen: async () => open(dir, env) };
  });
  it("fails in plain words when the device goes away", async () => {
    const dir = temporaryFolder();
    const store = open(dir, { AMESH_TPM: device });
    await store.generate("device");
    other.unplugDevice();
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_unavailable");
  });
});

async function withKey(
  env: object = tpm.env,
): Promise<{ dir: string; store: TpmKeyStore; key: PublicKey; file: string }> {
  const dir = temporaryFolder();
  const store = open(dir, env);
  const key = await store.generate("device");
  return { dir, store, key, file: join(dir, "device.tpm") };
}

/** How many objects are loaded, as the TPM itself says. */
async function loadedObjects(of: SoftwareTpm): Promise<number> {
  const answer = await of.send("8001000000160000017a000000018000000000000040");
  return Number.parseInt(answer.slice(30, 38), 16);
}

const loadRoot = Buffer.from(writeCommand(createStorageRoot())).toString("hex");
const clear = "80020000001b000001264000000c00000009400000090000000000";

describe("a key in the TPM", () => {
  it("signs 200 times, always low-S, and leaves nothing loaded", async () => {
    const { store, key } = await withKey();
    for (let i = 0; i < 200; i++) {
      const signature = await store.sign("device", probe);
      expect(toLowS(signature)).toBe(signature);
      expect(key.verify(probe, signature)).toBe(true);
    }
    for (let i = 0; i < 50; i++) await open((await withKey()).dir).sealingSecret("device");
    expect(await loadedObjects(tpm)).toBe(0);
  });

  it("signs for many who ask at once, one after another", async () => {
    const { store, key, dir } = await withKey();
    const stores = [store, open(dir), open(dir)];
    const signatures = await Promise.all(
      Array.from({ length: 60 }, (_, i) => stores[i % 3]?.sign("device", probe)),
    );
    for (const signature of signatures) expect(key.verify(probe, signature as Uint8Array)).toBe(true);
  });

  it("is not in its file, and neither is the sealing secret", async () => {
    const { store, file } = await withKey();
    const content = readFileSync(file, "latin1");
    const secret = Buffer.from(await store.sealingSecret("device"));
    for (const form of ["hex", "base64", "base64url", "latin1"] as const)
      expect(content).not.toContain(secret.toString(form));
  });

  it("is what tpm2-tools loads from the file, and signs as they verify", async () => {
    const real = await SoftwareTpm.start(onTestFinished, "tcp");
    const { file, key, store } = await withKey(real.env);
    const wrapped = parseTpmFile(readFileSync(file)).key;
    const write = (name: string, ...parts: Uint8Array[]) =>
      writeFileSync(join(real.folder, name), Buffer.concat(parts));
    const sized = (bytes: Uint8Array) => Buffer.concat([Buffer.from([0, bytes.length]), bytes]);
    write("public", sized(wrapped.public));
    write("private", sized(wrapped.private));
    const zeros = Buffer.concat([Buffer.from([32, 0]), Buffer.alloc(128)]); // as the tools hold it in memory
    write("unique", zeros, zeros);
    write("message", probe);
    write("signature", derOf(await store.sign("device", probe)));
    const root = "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
    real.tool("tpm2_createprimary", "-C", "o", "-G", "ecc", "-u", "unique", "-a", root, "-c", "root.ctx");
    real.tool("tpm2_flushcontext", "-t");
    real.tool("tpm2_load", "-C", "root.ctx", "-u", "public", "-r", "private", "-c", "key.ctx");
    real.tool("tpm2_flushcontext", "-t");
    const described = real.tool("tpm2_readpublic", "-c", "key.ctx");
    const x = /^x: ([0-9a-f]{64})$/m.exec(described)?.[1];
    expect(x).toBe(Buffer.from(key.bytes.subarray(1)).toString("hex"));
    expect(described).toMatch(/fixedtpm\|fixedparent\|sensitivedataorigin\|userwithauth\|noda\|sign\n/);
    real.tool("tpm2_flushcontext", "-t");
    const verify = ["-c", "key.ctx", "-g", "sha256", "-s", "signature", "-f", "ecdsa"];
    real.tool("tpm2_verifysignature", ...verify, "-m", "message");
    write("message", Uint8Array.of(1));
    real.tool("tpm2_flushcontext", "-t");
    expect(() => real.tool("tpm2_verifysignature", ...verify, "-m", "message")).toThrow();
  });
});

/** ECDSA-Sig-Value of a raw signature. */
function derOf(signature: Uint8Array): Buffer {
  const integer = (bytes: Uint8Array) => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const padding = (bytes[start] as number) > 0x7f ? [0] : [];
    const content = [...padding, ...bytes.subarray(start)];
    return [2, content.length, ...content];
  };
  const body = [...integer(signature.subarray(0, 32)), ...integer(signature.subarray(32))];
  return Buffer.from([0x30, body.length, ...body]);
}

describe("several identities", () => {
  it("live in one TPM, each with its own key, secret and list", async () => {
    const folders = [1, 2, 3, 4].map(() => join(temporaryFolder(), "amesh"));
    for (const dir of folders) {
      const { identity } = await createIdentity({ friendlyName: "one of four", dir, env: tpm.env });
      expect(identity.backend).toBe("tpm");
    }
    const machines = await Promise.all(folders.map((dir) => openIdentity({ dir, env: tpm.env })));
    expect(new Set(machines.map(({ identity }) => identity.deviceId))).toHaveLength(4);
    for (const machine of machines) {
      expect(machine.publicKey.verify(probe, await machine.sign(probe))).toBe(true);
      expect((await machine.openAllowList()).check()).toBeUndefined();
    }
  });

  it("notice a list that another identity of the same TPM sealed, and an older one", async () => {
    const [one = "", two = ""] = [1, 2].map(() => join(temporaryFolder(), "amesh"));
    for (const dir of [one, two]) await createIdentity({ friendlyName: "machine", dir, env: tpm.env });
    const machine = await openIdentity({ dir: one, env: tpm.env });
    const older = readFileSync(join(one, "allow_list.json"));
    await (await machine.openAllowList()).update((draft) => {
      draft.maxControllers = 7;
    });
    const codeNow = async () =>
      (await (await openIdentity({ dir: one, env: tpm.env })).openAllowList()).check()?.code;
    expect(await codeNow()).toBeUndefined();
    writeFileSync(join(one, "allow_list.json"), older);
    expect(await codeNow()).toBe("allow_list_rollback");
    cpSync(join(two, "allow_list.json"), join(one, "allow_list.json"));
    expect(await codeNow()).toBe("allow_list_integrity_failure");
  });
});

describe("a TPM in trouble", () => {
  it("may be restarted in the middle: the same keys sign on", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, key, dir } = await withKey(own.env);
    const secret = await store.sealingSecret("device");
    for (let round = 0; round < 3; round++) {
      await own.kill();
      await own.start();
      expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
      expect(await open(dir, own.env).sealingSecret("device")).toEqual(secret);
    }
  });

  it("that goes away under load fails each call in plain words, and serves again when it is back", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, key } = await withKey(own.env);
    const secret = await store.sealingSecret("device");
    const calls = Array.from({ length: 100 }, () => codeOf(() => store.sign("device", probe)));
    await Promise.race(calls);
    await own.kill();
    const codes = new Set(await Promise.all(calls));
    expect([...codes].sort()).toEqual(["key_store_unavailable", "no error"]);
    expect(await store.sealingSecret("device")).toEqual(secret);
    await expect(store.sign("device", probe)).rejects.toThrow(/nothing listens at/);
    await own.start();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it.each([
    ["was cleared", (own: SoftwareTpm) => own.send(clear)],
    ["is another one", async () => undefined],
  ])("that %s says so and costs no file", async (what, change) => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, dir, key } = await withKey(own.env);
    await store.remember("device", Uint8Array.of(1));
    const before = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    await change(own);
    const env = what === "is another one" ? tpm.env : own.env;
    for (const ask of [
      () => open(dir, env).sign("device", probe),
      () => open(dir, env).sealingSecret("device"),
      () => open(dir, env).recall("device"),
    ])
      expect(await codeOf(ask)).toBe("key_store_changed");
    expect((await open(dir, env).publicKey("device")).base64).toBe(key.base64);
    expect(readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"))).toEqual(before);
  });

  it("that somebody else holds is waited for, and not for ever", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, dir, key } = await withKey(own.env);
    const somebody = await own.connect();
    const waiting = store.sign("device", probe);
    expect(await codeOf(() => open(dir, own.env, 100).sign("device", probe))).toBe("key_store_busy");
    await expect(open(dir, own.env, 100).sign("device", probe)).rejects.toThrow(/another program/);
    somebody.destroy();
    expect(key.verify(probe, await waiting)).toBe(true);
  });

  it("is waited for behind a crowd that fills its queue", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, dir, key } = await withKey(own.env);
    const path = own.address.replace("unix:", "");
    const crowd = Array.from({ length: 8 }, () => connect(path));
    const refusals = crowd.map((socket) => new Promise((refused) => socket.once("error", refused)));
    expect(await Promise.race(refusals)).toMatchObject({ code: "EAGAIN" });
    expect(await codeOf(() => open(dir, own.env, 100).sign("device", probe))).toBe("key_store_busy");
    const waiting = store.sign("device", probe);
    for (const socket of crowd) socket.destroy();
    expect(key.verify(probe, await waiting)).toBe(true);
  });

  it("that is away keeps nobody from reading the allow list who had opened it", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "machine", dir, env: own.env });
    let at = 0;
    const server = await (await openIdentity({ dir, env: own.env })).openAllowList({ monotonic: () => at });
    const device = newDevice({ role: "controller" });
    await (await (await openIdentity({ dir, env: own.env })).openAllowList()).update((draft) => {
      addDevice(draft, device);
    });
    await own.kill();
    at = 1000;
    expect(server.check()).toBeUndefined();
    expect(server.find(device.publicKey.base64, "controller")).toMatchObject({ friendlyName: "a device" });
  });

  it("has room again after a process was killed that had filled it", async () => {
    const own = await SoftwareTpm.start(onTestFinished);
    const { store, key } = await withKey(own.env);
    for (let i = 0; i < 3; i++) expect(await own.send(loadRoot)).toMatch(/^8002/);
    expect(await loadedObjects(own)).toBe(3);
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
    expect(await loadedObjects(own)).toBe(0);
  });

  it("whose owner set a password is no key store, and says why", async () => {
    const own = await SoftwareTpm.start(onTestFinished, "tcp");
    own.tool("tpm2_changeauth", "-c", "o", "secret");
    const { AMESH_TPM } = own.env;
    const dir = join(temporaryFolder(), "amesh");
    await expect(createIdentity({ friendlyName: "machine", dir, env: { AMESH_TPM } })).rejects.toMatchObject({
      code: "key_store_unavailable",
      message: expect.stringContaining("owner hierarchy has a password"),
      fix: expect.stringMatching(/^Clear the password of the owner hierarchy.* --backend encrypted-file\.$/),
    });
    expect(existsSync(dir)).toBe(false);
  });
});

describe("the file of a TPM's key", () => {
  const edit = (file: string, change: (content: Record<string, Record<string, string>>) => void) => {
    const content = JSON.parse(readFileSync(file, "utf8"));
    change(content);
    writeFileSync(file, JSON.stringify(content));
  };

  it("with the parts of another key is no key of this TPM", async () => {
    const one = await withKey();
    const two = await withKey();
    const other = JSON.parse(readFileSync(two.file, "utf8"));
    edit(one.file, (content) => Object.assign(content["key"] ?? {}, { private: other.key.private }));
    expect(await codeOf(() => one.store.sign("device", probe))).toBe("key_store_changed");
    edit(one.file, (content) => Object.assign(content["key"] ?? {}, { private: "AA" }));
    expect(await codeOf(() => one.store.sign("device", probe))).toBe("key_store_damaged");
  });

  it.each([
    ["a key that may leave the TPM", "key", (area: Buffer) => area.writeUInt8(0x70, 7)],
    ["a key that may decrypt", "key", (area: Buffer) => area.writeUInt8(0x06, 5)],
    ["a key of another curve", "key", (area: Buffer) => area.writeUInt8(4, 17)],
    ["a point that is on no curve", "key", (area: Buffer) => area.fill(0xff, 22, 54)],
    ["sealed data that may leave the TPM", "secret", (area: Buffer) => area.writeUInt8(0x50, 7)],
  ] as const)("that names %s is damaged", async (_, object, change) => {
    const { file, store } = await withKey();
    edit(file, (content) => {
      const area = Buffer.from(content[object]?.["public"] ?? "", "base64url");
      change(area);
      Object.assign(content[object] ?? {}, { public: area.toString("base64url") });
    });
    expect(await codeOf(() => store.publicKey("device"))).toBe("key_store_damaged");
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_damaged");
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const whole = readFileSync((await withKey()).file, "utf8");
    const edited = fc
      .tuple(fc.nat(whole.length), fc.nat(20), fc.string({ maxLength: 8 }))
      .map(([at, length, text]) => Buffer.from(whole.slice(0, at) + text + whole.slice(at + length)));
    const json = fc.json().map((text) => Buffer.from(text));
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), edited, json);
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        expect(await codeOf(() => parseTpmFile(content))).toMatch(/^(no error|key_store_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });

  it("with changed bytes in what the TPM wrapped fails in the catalogue's words", async () => {
    const { file, store } = await withKey();
    const whole = readFileSync(file, "utf8");
    const wrapped = Buffer.from(JSON.parse(whole).key.private, "base64url");
    await fc.assert(
      fc.asyncProperty(fc.nat(wrapped.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(wrapped);
        changed[at] = (changed[at] as number) ^ flip;
        writeFileSync(file, whole.replace(wrapped.toString("base64url"), changed.toString("base64url")));
        expect(await codeOf(() => store.sign("device", probe))).toMatch(/^key_store_(changed|damaged)$/);
      }),
      { numRuns: 100 },
    );
    expect(await loadedObjects(tpm)).toBe(0);
  });
});
