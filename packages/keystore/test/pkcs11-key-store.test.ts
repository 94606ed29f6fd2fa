import { createECDH } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type PublicKey, signableProbe, toLowS } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keyStoreConformance } from "../../../test/conformance/suites/key-store.js";
import { parsePkcs11File } from "../src/drivers/pkcs11-file.js";
import { createIdentity, openIdentity, Pkcs11KeyStore, type Pkcs11Options } from "../src/index.js";
import { readPoint } from "../src/pkcs11/objects.js";
import { add, codeOf, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";
import { SoftHsm, type SoftToken, softHsmModule } from "./softhsm.js";

const softHsm = SoftHsm.start(afterAll);
const token = softHsm.token();
const probe = signableProbe();

const open = (of: SoftToken, dir: string, more: Partial<Pkcs11Options> = {}) =>
  new Pkcs11KeyStore({ dir, place: { module: softHsmModule, token: of.label }, env: of.env, ...more });

interface WithKey {
  readonly dir: string;
  readonly file: string;
  readonly store: Pkcs11KeyStore;
  readonly key: PublicKey;
  /** In hex: what the objects on the token bear. */
  readonly id: string;
}

async function withKey(of = token, more: Partial<Pkcs11Options> = {}): Promise<WithKey> {
  const dir = temporaryFolder();
  const store = open(of, dir, more);
  const key = await store.generate("device");
  const file = join(dir, "device.pkcs11");
  return { dir, file, store, key, id: parsePkcs11File(readFileSync(file)).id.toString("hex") };
}

keyStoreConformance("pkcs11", async () => {
  const dir = temporaryFolder();
  return { store: open(token, dir), reopen: async () => open(token, dir) };
});

describe("a key in a token", () => {
  it("signs for many who ask at once, one after another", async () => {
    const { store, key, dir } = await withKey();
    const stores = [store, open(token, dir), open(token, dir)];
    const signatures = await Promise.all(
      Array.from({ length: 60 }, (_, i) => stores[i % 3]?.sign("device", probe)),
    );
    for (const signature of signatures as Uint8Array[]) {
      expect(toLowS(signature)).toBe(signature);
      expect(key.verify(probe, signature)).toBe(true);
    }
  });

  it("was made there for signatures alone, and cannot be taken out, as pkcs11-tool sees it", async () => {
    const { id } = await withKey();
    const keys = softHsm.tool(token, "with the PIN", "--list-objects", "--id", id);
    expect(keys).toMatch(/Private Key Object; EC\n +label: +amesh [0-9a-f]{32} key\n/);
    expect(keys).toMatch(/Usage: +sign\n +Access: +sensitive, always sensitive, never extractable, local\n/);
  });

  it("is not in the folder, and neither is anything that is secret", async () => {
    const { store, dir } = await withKey();
    const secret = Buffer.from(await store.sealingSecret("device"));
    await store.remember("device", Buffer.from("remembered"));
    expect(readdirSync(dir)).toEqual(["device.pkcs11"]);
    const content = readFileSync(join(dir, "device.pkcs11"), "latin1");
    for (const form of ["hex", "base64", "base64url", "latin1"] as const)
      expect(content).not.toContain(secret.toString(form));
    expect(content).not.toContain(token.pin);
  });

  it("shows its data to whoever has the PIN alone", async () => {
    const { store, id } = await withKey();
    await store.remember("device", Uint8Array.of(1));
    const list = ["--list-objects", "--type", "data"];
    expect(softHsm.tool(token, "without the PIN", ...list)).not.toContain(id);
    const shown = softHsm.tool(token, "with the PIN", ...list);
    for (const role of ["sealing secret", "remembered"]) expect(shown).toContain(`amesh ${id} ${role}`);
  });

  it("keeps one object for what it remembers, and takes the latest should an older one be left", async () => {
    const { store, id } = await withKey();
    for (const value of [1, 2, 3]) await store.remember("device", Uint8Array.of(value));
    const label = `amesh ${id} remembered`;
    const shown = softHsm.tool(token, "with the PIN", "--list-objects", "--type", "data");
    expect(shown.split(label)).toHaveLength(2);
    const older = join(temporaryFolder(), "older");
    writeFileSync(older, Uint8Array.of(0, 0, 0, 2, 9));
    const put = ["--write-object", older, "--type", "data", "--application-label", "amesh", "--label", label];
    softHsm.tool(token, "with the PIN", ...put, "--private");
    expect(await store.recall("device")).toEqual(Uint8Array.of(3));
    await store.remember("device", Uint8Array.of(4));
    expect(await store.recall("device")).toEqual(Uint8Array.of(4));
  });

  it("is not fooled by objects that were made without the PIN", async () => {
    const { store, id, dir } = await withKey();
    await store.remember("device", Uint8Array.of(1));
    const secret = await store.sealingSecret("device");
    const forged = join(temporaryFolder(), "forged");
    writeFileSync(forged, Buffer.concat([Buffer.from("ffffffff", "hex"), Buffer.alloc(28)]));
    for (const role of ["remembered", "sealing secret"]) {
      const named = ["--application-label", "amesh", "--label", `amesh ${id} ${role}`];
      softHsm.tool(token, "without the PIN", "--write-object", forged, "--type", "data", ...named);
    }
    expect(await store.recall("device")).toEqual(Uint8Array.of(1));
    expect(await open(token, dir).sealingSecret("device")).toEqual(secret);
  });

  it("is refused when another took its place that may leave the token", async () => {
    const { store, id } = await withKey();
    for (const type of ["privkey", "pubkey"])
      softHsm.tool(token, "with the PIN", "--delete-object", "--type", type, "--id", id);
    const another = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--extractable"];
    softHsm.tool(token, "with the PIN", ...another);
    await expect(store.sign("device", probe)).rejects.toThrow(
      "does not promise that the key never leaves it",
    );
  });

  it("signs in several processes at once", async () => {
    build();
    const { dir, key } = await withKey();
    Object.assign(process.env, token.env);
    const children = [1, 2].map(() => start("pkcs11-store.js", [dir, 20]));
    delete process.env["AMESH_PIN"];
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([0, 0]);
    const signatures = children.flatMap(({ lines }) => lines);
    expect(signatures).toHaveLength(40);
    for (const signature of signatures) expect(key.verify(probe, Buffer.from(signature, "hex"))).toBe(true);
  });
});

describe("several identities", () => {
  const machine = async (dir = join(temporaryFolder(), "amesh")) => {
    const pkcs11 = { module: softHsmModule, token: token.label };
    await createIdentity({ friendlyName: "machine", dir, env: token.env, backend: "pkcs11", pkcs11 });
    return dir;
  };

  it("live on one token, each with its own key, secret and list", async () => {
    const machines = await Promise.all(
      [await machine(), await machine(), await machine()].map((dir) => openIdentity({ dir, env: token.env })),
    );
    expect(new Set(machines.map(({ identity }) => identity.deviceId))).toHaveLength(3);
    for (const { publicKey, sign, openAllowList } of machines) {
      expect(publicKey.verify(probe, await sign(probe))).toBe(true);
      expect((await openAllowList()).check()).toBeUndefined();
    }
  });

  it("notice that their whole folder was put back", async () => {
    const dir = await machine();
    const copy = temporaryFolder();
    cpSync(dir, copy, { recursive: true });
    await (await (await openIdentity({ dir, env: token.env })).openAllowList()).update(add());
    rmSync(dir, { recursive: true });
    cpSync(copy, dir, { recursive: true });
    const list = await (await openIdentity({ dir, env: token.env })).openAllowList();
    expect(list.check()?.code).toBe("allow_list_rollback");
  });
});

describe("making a key", () => {
  it("takes the token by its label or serial number, and names those there are for another", async () => {
    const bySerial = { module: softHsmModule, token: token.serial };
    await open(token, temporaryFolder(), { place: bySerial }).generate("device");
    const none = open(token, temporaryFolder(), { place: { module: softHsmModule, token: "none" } });
    await expect(none.generate("device")).rejects.toThrow(
      new RegExp(`no token "none"; there are: .*"${token.label}" \\("${token.serial}"\\)`),
    );
    expect(await codeOf(() => none.generate("device"))).toBe("invalid_option");
  });

  it("takes the only token where none is named, and asks which where there are several", async () => {
    const unnamed = () => open(token, temporaryFolder(), { place: { module: softHsmModule } });
    const away = softHsm.token();
    await expect(unnamed().generate("device")).rejects.toThrow("Several tokens may be meant; there are: ");
    const others = [away, token].map((each) => softHsm.takeAway(each));
    expect(await codeOf(() => unnamed().generate("device"))).toBe("key_store_unavailable");
    others.pop()?.();
    expect(await unnamed().generate("device")).toBeDefined();
  });

  it("finds a token that was put in after the module was started", async () => {
    await withKey();
    const later = softHsm.token();
    const { key, store } = await withKey(later);
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("leaves nothing on the token when its file cannot be written", async () => {
    const before = softHsm.tool(token, "with the PIN", "--list-objects");
    const store = open(token, join(temporaryFolder(), "nowhere"));
    expect(await codeOf(() => store.generate("device"))).toBe("storage_failed");
    expect(softHsm.tool(token, "with the PIN", "--list-objects")).toBe(before);
  });

  it("needs a module", async () => {
    const store = open(token, temporaryFolder(), { place: undefined });
    expect(await codeOf(() => store.generate("device"))).toBe("invalid_option");
  });
});

describe("a token that was", () => {
  it("pulled out is away, and works on when it is back", async () => {
    const own = softHsm.token();
    const { store, key, file } = await withKey(own);
    const content = readFileSync(file);
    const putBack = softHsm.takeAway(own);
    await expect(store.sign("device", probe)).rejects.toThrow("is not in its slot");
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_unavailable");
    expect(await codeOf(() => store.delete("device"))).toBe("key_store_unavailable");
    expect((await store.publicKey("device")).base64).toBe(key.base64);
    putBack();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
    expect(readFileSync(file)).toEqual(content);
  });

  it.each([
    ["recall", (store: Pkcs11KeyStore) => store.recall("device")],
    ["remember", (store: Pkcs11KeyStore) => store.remember("device", Uint8Array.of(2))],
    ["sealing secret", (store: Pkcs11KeyStore) => store.sealingSecret("device")],
    ["signature", (store: Pkcs11KeyStore) => store.sign("device", probe)],
    ["deletion", (store: Pkcs11KeyStore) => store.delete("device")],
  ])("pulled out is not taken for an empty one (%s)", async (_, use) => {
    const own = softHsm.token();
    const { store, key } = await withKey(own);
    const putBack = softHsm.takeAway(own);
    expect(await codeOf(() => use(store))).toBe("key_store_unavailable");
    putBack();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("exchanged for another of the same label is told from it", async () => {
    const own = softHsm.token();
    const { store, key } = await withKey(own);
    const putBack = softHsm.takeAway(own);
    const other = softHsm.token(own.label);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_changed");
    softHsm.takeAway(other);
    putBack();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("wiped has lost the key, and says so without touching the file", async () => {
    const own = softHsm.token();
    const { store, file } = await withKey(own);
    const content = readFileSync(file);
    softHsm.wipe(own, own.label);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_not_found");
    softHsm.wipe(own, `${own.label} 2`);
    expect(await codeOf(() => open(own, join(file, "..")).sign("device", probe))).toMatch(
      /changed|not_found/,
    );
    expect(readFileSync(file)).toEqual(content);
  });
});

describe("an object that somebody deleted", () => {
  it.each([
    ["the private key", "privkey", (store: Pkcs11KeyStore) => store.sign("device", probe)],
    ["the sealing secret", "data", (store: Pkcs11KeyStore) => store.sealingSecret("device")],
  ])("is %s that is not found, and the rest can be deleted", async (_, type, use) => {
    const { store, id } = await withKey();
    await store.sign("device", probe);
    const named = type === "data" ? ["--label", `amesh ${id} sealing secret`] : ["--id", id];
    softHsm.tool(token, "with the PIN", "--delete-object", "--type", type, ...named);
    expect(await codeOf(() => use(store))).toBe("key_not_found");
    await store.delete("device");
    expect(softHsm.tool(token, "with the PIN", "--list-objects")).not.toContain(id);
  });
});

describe("the PIN", () => {
  let module: string;
  beforeAll(() => {
    module = softHsm.compileTroubledModule();
  });
  beforeEach(() => softHsm.endTrouble());

  const troubled = (of: SoftToken, more: Partial<Pkcs11Options> = {}) =>
    open(of, temporaryFolder(), { place: { module, token: of.label }, ...more });

  it("comes from the variable, the file, or a person who is asked once", async () => {
    const file = join(temporaryFolder(), "pin");
    writeFileSync(file, `${token.pin}\n`);
    await withKey(softHsm.token(), { env: { AMESH_PIN_FILE: file } });
    const asked: string[] = [];
    const promptSecret = async (what: string) => {
      asked.push(what);
      return token.pin;
    };
    const own = softHsm.token();
    const { store } = await withKey(own, { env: {}, promptSecret });
    await Promise.all([store.sign("device", probe), store.sealingSecret("device")]);
    expect(asked).toEqual([`PIN of the token "${own.label}"`]);
  });

  it("is asked for once by several at once", async () => {
    const own = softHsm.token();
    const { dir } = await withKey(own);
    softHsm.takeAway(own)();
    let asked = 0;
    const promptSecret = async () => {
      asked++;
      await new Promise((resolve) => setImmediate(resolve)); // a person takes longer than all the others
      return own.pin;
    };
    const store = open(own, dir, { env: {}, promptSecret });
    await withKey(softHsm.token()); // the module is started anew, and nobody is logged in
    await Promise.all([1, 2, 3].map(() => store.sign("device", probe)));
    expect(asked).toBe(1);
  });

  it("is missing where nobody gives it, and is not asked for while the token is away", async () => {
    const own = softHsm.token();
    expect(await codeOf(() => open(own, temporaryFolder(), { env: {} }).generate("device"))).toBe(
      "pin_missing",
    );
    const env = { AMESH_PIN_FILE: "/nowhere/pin" };
    expect(await codeOf(() => open(own, temporaryFolder(), { env }).generate("device"))).toBe("pin_missing");
    const { dir } = await withKey(own);
    softHsm.takeAway(own);
    const promptSecret = () => Promise.reject(new Error("nobody is to be asked"));
    const store = open(own, dir, { env: {}, promptSecret });
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_unavailable");
  });

  it("that is wrong goes to the token once, however often it is tried, and the right one still does", async () => {
    const own = softHsm.token();
    const wrong = { AMESH_PIN: "4321" };
    await expect(troubled(own, { env: wrong }).generate("device")).rejects.toThrow(
      "refuses the PIN of AMESH_PIN; after a few more wrong ones it locks",
    );
    for (let i = 0; i < 5; i++) {
      const error = troubled(own, { env: wrong }).generate("device");
      await expect(error).rejects.toThrow("has refused the PIN of AMESH_PIN before; it was not sent again");
      await expect(error).rejects.toMatchObject({ code: "pin_wrong" });
    }
    expect(softHsm.calls("C_Login")).toBe(1);
    await troubled(own).generate("device");
    expect(softHsm.calls("C_Login")).toBe(2);
  });

  it("that is wrong is told with where it came from, and what to mend there", async () => {
    const path = join(temporaryFolder(), "pin");
    writeFileSync(path, "4322\n");
    const tries: [object, string, string][] = [
      [{ env: { AMESH_PIN_FILE: path } }, "the PIN of AMESH_PIN_FILE;", "Correct AMESH_PIN_FILE"],
      [
        { env: { AMESH_PIN: "4323", AMESH_PIN_FILE: path } },
        "the PIN of AMESH_PIN (AMESH_PIN_FILE is set too, and was not read)",
        "Correct AMESH_PIN before",
      ],
      [{ env: {}, promptSecret: async () => "4324" }, "the PIN that was typed", "type the right one"],
    ];
    for (const [options, origin, mend] of tries) {
      await expect(troubled(softHsm.token(), options).generate("device")).rejects.toMatchObject({
        code: "pin_wrong",
        message: expect.stringContaining(origin),
        fix: expect.stringContaining(mend),
      });
    }
    const silent = troubled(softHsm.token(), { env: {}, promptSecret: async () => "" });
    await expect(silent.generate("device")).rejects.toMatchObject({
      code: "pin_missing",
      fix: expect.stringMatching(/^Run the command again and type it/),
    });
  });

  it("is in no error", async () => {
    const own = softHsm.token();
    const error = await troubled(own, { env: { AMESH_PIN: "secret-pin" } })
      .generate("device")
      .catch((thrown) => thrown);
    expect(JSON.stringify([error.failure, error.stack, error.cause])).not.toContain("secret-pin");
  });

  it("for the last try before the token locks is left to a person", async () => {
    const own = softHsm.token();
    softHsm.makeTrouble("flags", "20000");
    await expect(troubled(own).generate("device")).rejects.toThrow(
      "takes one more PIN before it locks; none was sent",
    );
    expect(softHsm.calls("C_Login")).toBe(0);
    await troubled(own, { env: {}, promptSecret: async () => own.pin }).generate("device");
    expect(softHsm.calls("C_Login")).toBe(1);
  });

  it.each([
    ["says that it is locked", "flags", "40000", "key_store_locked", "too many wrong PINs have locked it"],
    ["answers that it is locked", "login", "a4", "key_store_locked", "too many wrong PINs have locked it"],
    ["wants none", "flags", "4", "key_store_unavailable", "it gives what it holds to everybody"],
    ["has none yet", "flags", "8", "key_store_unavailable", "nobody has set its PIN"],
    ["makes no keys of P-256", "mechanism", "70", "key_store_unavailable", "it does not make keys"],
    ["has one whose PIN expired", "login", "a3", "key_store_unavailable", "its PIN has expired"],
    [
      "fails in a way of its own",
      "login",
      "80000abc",
      "key_store_unavailable",
      "it refuses (CKR_VENDOR_DEFINED 0x80000abc)",
    ],
  ] as const)("is of no use where the token %s", async (_, name, value, code, words) => {
    const own = softHsm.token();
    softHsm.makeTrouble(name, value);
    const error = troubled(own).generate("device");
    await expect(error).rejects.toThrow(words);
    await expect(error).rejects.toMatchObject({ code });
  });
});

describe("a module in trouble", () => {
  let module: string;
  let own: SoftToken;
  beforeAll(() => {
    module = softHsm.compileTroubledModule();
    own = softHsm.token();
  });
  beforeEach(() => softHsm.endTrouble());

  const keyThere = (more: Partial<Pkcs11Options> = {}) =>
    withKey(own, { place: { module, token: own.label }, ...more });

  it.each([
    ["the session is gone", "b3"],
    ["the device was removed", "32"],
    ["the token is not there", "e0"],
    ["nobody is logged in", "101"],
    ["the module was shut down", "190"],
    ["the object is gone", "82"],
  ])("is started anew, but not without end, when it says that %s", async (_, code) => {
    const { store, key } = await keyThere();
    softHsm.makeTrouble("sign", `${code} once`);
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
    const before = softHsm.calls("C_Initialize");
    softHsm.makeTrouble("sign", code);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_unavailable");
    expect(softHsm.calls("C_Initialize")).toBe(before + 2);
    softHsm.endTrouble();
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });

  it("that hangs keeps nobody waiting for longer than is allowed, and blocks nothing", async () => {
    const { dir, key } = await keyThere();
    const store = open(own, dir, { timeoutMs: 100 });
    softHsm.endTrouble();
    softHsm.makeTrouble("hang", "");
    const waiting = [1, 2, 3].map(() => codeOf(() => store.sign("device", probe)));
    expect(await Promise.all(waiting)).toEqual(["key_store_busy", "key_store_busy", "key_store_busy"]);
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_busy");
    expect(softHsm.calls("C_SignInit")).toBe(1);
    softHsm.endTrouble();
    const patient = open(own, temporaryFolder(), { place: { module, token: own.label } });
    expect(await patient.generate("device")).toBeDefined();
    expect(softHsm.calls("C_SignInit")).toBe(1); // what was too late has not been done
    expect(key.verify(probe, await store.sign("device", probe))).toBe(true);
  });
});

describe("the public key that a token tells", () => {
  const bare = createECDH("prime256v1").generateKeys();
  const der = Buffer.concat([Uint8Array.of(0x04, 65), bare]);

  it("is read with and without the DER around it", () => {
    for (const encoded of [bare, der])
      expect(readPoint(encoded).bytes.subarray(1)).toEqual(new Uint8Array(bare.subarray(1, 33)));
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const edited = fc.tuple(fc.constantFrom(bare, der), fc.nat(66), fc.nat(255)).map(([point, at, byte]) => {
      const copy = Buffer.from(point);
      copy[at] = byte;
      return copy;
    });
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 70 }).map(Buffer.from), edited);
    await fc.assert(
      fc.asyncProperty(bytes, async (encoded) => {
        expect(await codeOf(() => readPoint(encoded))).toMatch(/^(no error|key_store_unavailable)$/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the file of a token's key", () => {
  it.each([
    ["a module by a relative path", { module: "softhsm2.so" }],
    ["a module with a zero byte in its path", { module: "/usr/lib/a\0.so" }],
    ["a point that is on no curve", { publicKey: "A".repeat(44) }],
    ["an id that is too short", { id: "AAAA" }],
    ["an id that is not canonical", { id: "AAAAAAAAAAAAAAAAAAAAAB" }],
    ["a token without a serial number", { token: { label: "x" } }],
    ["a token with a line break", { token: { label: "x\n", serial: "1" } }],
    ["a member that is unknown", { pin: "1234" }],
    ["another version", { version: 2 }],
  ])("that names %s is damaged", async (_, change) => {
    const { file, store } = await withKey();
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    expect(await codeOf(() => store.publicKey("device"))).toBe("key_store_damaged");
    expect(await codeOf(() => store.sign("device", probe))).toBe("key_store_damaged");
  });

  it("with the id of another identity's key signs nothing", async () => {
    const [one, two] = [await withKey(), await withKey()];
    const content = JSON.parse(readFileSync(one.file, "utf8"));
    writeFileSync(
      one.file,
      JSON.stringify({ ...content, id: JSON.parse(readFileSync(two.file, "utf8")).id }),
    );
    expect(await codeOf(() => one.store.sign("device", probe))).toBe("key_mismatch");
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
        expect(await codeOf(() => parsePkcs11File(content))).toMatch(/^(no error|key_store_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });
});
