import { createHash } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { PrivateKey, type PublicKey, signableProbe, toLowS } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { keyStoreConformance, keyStoreDistrust } from "../../../test/conformance/suites/key-store.js";
import { detectSecureEnclave } from "../src/drivers/secure-enclave.js";
import { parseSecureEnclaveFile } from "../src/drivers/secure-enclave-file.js";
import { createIdentity, openIdentity, SecureEnclaveKeyStore } from "../src/index.js";
import { Trouble } from "../src/internal/trouble.js";
import { agree, make, probe, readAnswer, sign } from "../src/secure-enclave/messages.js";
import { refusalCodes } from "../src/secure-enclave/refusals.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { StandInEnclave } from "./stand-in-enclave.js";

const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});

let enclave: StandInEnclave;
let madeBefore: Key;
beforeAll(async () => {
  enclave = new StandInEnclave((stop) => stops.push(stop));
  madeBefore = await newKey(enclave.folder);
});

const message = signableProbe();
const open = (dir: string, env: object = enclave.env, timeoutMs = 10_000) =>
  new SecureEnclaveKeyStore({ dir, env: { ...env }, timeoutMs });

keyStoreConformance("secure-enclave", async () => {
  const dir = temporaryFolder();
  return { store: open(dir), reopen: async () => open(dir) };
});

keyStoreDistrust("secure-enclave", async () => {
  const dir = temporaryFolder();
  const pair = `require("crypto").generateKeyPairSync("ec", { namedCurve: "P-256" })`;
  const signature = `require("crypto").sign("sha256", Buffer.from(request.digest), ${pair}.privateKey)`;
  const lie = `(answer, request) => request.do === "sign" ? ({ version: 1, ok: { signature: ${signature}.toString("base64") } }) : answer`;
  return { honest: open(dir), liar: open(dir, enclave.helper(lie)) };
});

interface Key {
  readonly dir: string;
  readonly store: SecureEnclaveKeyStore;
  readonly key: PublicKey;
  readonly file: string;
}

async function newKey(dir = temporaryFolder(), of = enclave): Promise<Key> {
  const store = open(dir, of.env);
  return { dir, store, key: await store.generate("device"), file: join(dir, "device.secure-enclave") };
}

/** A copy of one key, since making one starts the helper three times. */
function keyAtHand(): Key {
  const dir = temporaryFolder();
  const file = join(dir, "device.secure-enclave");
  cpSync(madeBefore.file, file);
  return { dir, store: open(dir), key: madeBefore.key, file };
}

/** What `run` fails with, in words. */
const messageOf = async (run: () => unknown) => {
  try {
    await run();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("a key in the Secure Enclave", () => {
  it("is not in its file, and neither is the sealing secret", async () => {
    const { store, file } = keyAtHand();
    const content = readFileSync(file, "latin1");
    const secret = Buffer.from(await store.sealingSecret("device"));
    for (const form of ["hex", "base64", "base64url", "latin1"] as const)
      expect(content).not.toContain(secret.toString(form));
  });

  it("signs low-S, also where the Enclave does not", async () => {
    const { dir, key } = keyAtHand();
    const high = enclave.helper("({ ok }) => ({ version: 1, ok: { signature: withHighS(ok.signature) } })");
    const signature = await open(dir, high).sign("device", message);
    expect(toLowS(signature)).toBe(signature);
    expect(key.verify(message, signature)).toBe(true);
  });

  it("signs for many who ask at once", async () => {
    const { store, key, dir } = keyAtHand();
    const stores = [store, open(dir), open(dir)];
    const signatures = await Promise.all(
      Array.from({ length: 9 }, (_, i) => stores[i % 3]?.sign("device", message)),
    );
    for (const signature of signatures) expect(key.verify(message, signature as Uint8Array)).toBe(true);
  });

  it("makes an identity whose list is sealed, and cannot be put back unnoticed", async () => {
    const dir = join(temporaryFolder(), "amesh");
    const { identity, findings, warnings } = await createIdentity({
      friendlyName: "mac",
      dir,
      env: enclave.env,
    });
    expect(identity.backend).toBe("secure-enclave");
    expect(findings).toEqual([
      { name: "secure-enclave", label: "Secure Enclave", status: "selected", reason: "helper 1.0" },
    ]);
    expect(warnings).toEqual([]);
    const machine = await openIdentity({ dir, env: enclave.env });
    expect(machine.publicKey.verify(message, await machine.sign(message))).toBe(true);
    const older = readFileSync(join(dir, "allow_list.json"));
    await (await machine.openAllowList()).update((draft) => {
      draft.maxControllers = 7;
    });
    const codeNow = async () =>
      (await (await openIdentity({ dir, env: enclave.env })).openAllowList()).check()?.code;
    expect(await codeNow()).toBeUndefined();
    writeFileSync(join(dir, "allow_list.json"), older);
    expect(await codeNow()).toBe("allow_list_rollback");
  });

  it("is of no use to another Enclave, nor to this one once it was erased", async () => {
    const own = new StandInEnclave(onTestFinished);
    const { dir, store, key } = await newKey(temporaryFolder(), own);
    const elsewhere = open(dir);
    for (const use of [
      () => elsewhere.sign("device", message),
      () => elsewhere.sealingSecret("device"),
      () => elsewhere.remember("device", Uint8Array.of(1)),
    ])
      expect(await codeOf(use)).toBe("key_store_changed");
    expect(key.verify(message, await store.sign("device", message))).toBe(true);
    own.erase();
    expect(await codeOf(() => store.sign("device", message))).toBe("key_store_changed");
    expect((await store.publicKey("device")).base64).toBe(key.base64);
  });
});

describe("the helper", () => {
  it("is given neither arguments nor environment, and digests alone", async () => {
    const { dir } = keyAtHand();
    const seen = join(enclave.folder, "seen");
    const spy = enclave.helper(
      `(answer, request) => { require("fs").writeFileSync(${JSON.stringify(seen)}, JSON.stringify({ request, argv: process.argv.slice(2), env: process.env })); return answer; }`,
    );
    await open(dir, { ...spy, AUTH_MESH_PASSPHRASE: "secret" }).sign("device", message);
    expect(JSON.parse(readFileSync(seen, "utf8"))).toMatchObject({
      request: { version: 1, do: "sign", digest: createHash("sha256").update(message).digest("base64") },
      argv: [],
      env: {},
    });
    expect(readFileSync(seen, "utf8")).toMatch(/"env":\{\}/);
  });

  it.each([
    ["ends with an error", "#!/bin/sh\nexit 3\n", "it ends with status 3"],
    ["crashes", "#!/bin/sh\nkill -SEGV $$\n", "it is ended by SIGSEGV"],
    ["crashes after its answer", `#!/bin/sh\necho '{"version":1,"ok":{}}'; kill -9 $$\n`, "SIGKILL"],
    ["says nothing", "#!/bin/sh\n", "it says nothing"],
    ["floods", "#!/bin/sh\nexec yes\n", "it writes more than 16384 bytes"],
    ["answers garbage", "#!/bin/sh\necho hello\n", "it is not JSON"],
    ["answers without an end", "#!/bin/sh\nprintf '{}'\n", "one line"],
    ["answers twice", "#!/bin/sh\necho '{}'; echo '{}'\n", "one line"],
    ["answers in bytes", "#!/bin/sh\nprintf '\\377\\n'\n", "it is not UTF-8"],
    ["is no program", "\u007fELF nonsense", "helper"],
    ["needs what is not there", "#!/nowhere/sh\n", "what it needs to run is missing"],
  ])("that %s is found out", async (_, source, reason) => {
    const { dir } = keyAtHand();
    const env = enclave.program(source);
    for (const use of [
      () => open(dir, env).sign("device", message),
      () => open(dir, env).sealingSecret("device"),
      () => open(dir, env).describe(),
      () => open(temporaryFolder(), env).generate("device"),
    ])
      expect(await codeOf(use)).toBe("key_store_unavailable");
    expect(await messageOf(() => open(dir, env).describe())).toContain(reason);
    expect(await detectSecureEnclave({ env })).toMatchObject({ available: false });
  });

  it.each([
    [
      "another version",
      { version: 2, ok: { helper: "1.0" } },
      "it is of version 2, which a later amesh reads",
    ],
    ["neither result nor error", { version: 1 }, "it has not one of ok and error"],
    [
      "both",
      { version: 1, ok: { helper: "1.0" }, error: { code: "failed" } },
      "it has not one of ok and error",
    ],
    ["something more", { version: 1, ok: { helper: "1.0" }, more: 1 }, "unknown member"],
    ["something more in the result", { version: 1, ok: { helper: "1.0", more: 1 } }, "unknown member"],
    ["a list", [1], "it is not an object"],
    ["a result of another type", { version: 1, ok: { helper: 1 } }, "ok.helper is not a version"],
    ["an error nobody knows", { version: 1, error: { code: "tired" } }, "error.code is not"],
    [
      "an error that moves the cursor",
      { version: 1, error: { code: "failed", detail: "\u001b[2J" } },
      "error.detail is not",
    ],
  ])("that answers with %s is not believed", async (_, answer, reason) => {
    const { available, reason: why } = await detectSecureEnclave({ env: enclave.saying(answer) });
    expect(available).toBe(false);
    expect(why).toMatch(/^what answers is not the helper: /);
    expect(why).toContain(reason);
  });

  const changing = (request: string, change: string) =>
    `(answer, request) => request.do === "${request}" ? { version: 1, ok: { ...answer.ok, ${change} } } : answer`;
  const other = JSON.stringify(PrivateKey.generate().publicKey.base64);
  const offCurve = JSON.stringify(Buffer.from([2, ...Array(32).fill(0xff)]).toString("base64"));
  const zeros = `Buffer.alloc(32).toString("base64")`;
  it.each([
    ["a public key that is not the signing key's", changing("make", `publicKey: ${other}`)],
    ["a public key that is not the agreement key's", changing("make", `agreementPublicKey: ${other}`)],
    ["a public key that is on no curve", changing("make", `publicKey: ${offCurve}`)],
    ["an agreement key that is on no curve", changing("make", `agreementPublicKey: ${offCurve}`)],
    ["no key", changing("make", `signingKey: ""`)],
    ["a key that is too long", changing("make", `signingKey: Buffer.alloc(2049).toString("base64")`)],
    ["a signature that is not DER", changing("sign", `signature: Buffer.alloc(64).toString("base64")`)],
    ["a secret that is not shared", changing("agree", `secret: ${zeros}`)],
    ["a secret that is too short", changing("agree", `secret: ${zeros}.slice(4)`)],
  ])("that makes a key and gives %s leaves nothing behind", async (_, twist) => {
    const dir = temporaryFolder();
    expect(await codeOf(() => open(dir, enclave.helper(twist)).generate("device"))).toBe(
      "key_store_unavailable",
    );
    expect(await codeOf(() => open(dir).publicKey("device"))).toBe("key_not_found");
  });

  it("that signs with another key, or derives another secret, is found out", async () => {
    const { dir } = keyAtHand();
    const pair = `require("crypto").generateKeyPairSync("ec", { namedCurve: "P-256" })`;
    const signature = `require("crypto").sign("sha256", Buffer.from(request.digest), ${pair}.privateKey)`;
    const lie = `(answer, request) => ({ version: 1, ok: request.do === "sign" ? { signature: ${signature}.toString("base64") } : { secret: ${zeros} } })`;
    const liar = open(dir, enclave.helper(lie));
    expect(await codeOf(() => liar.sign("device", message))).toBe("key_store_damaged");
    expect(await codeOf(() => liar.sealingSecret("device"))).toBe("key_store_changed");
  });

  it.each([
    ["bad_request", "key_store_unavailable", /does not understand/],
    ["unsupported_version", "key_store_unavailable", /another version/],
    ["no_enclave", "key_store_unavailable", /^this Mac has no Secure Enclave$/],
    ["not_signed", "key_store_unavailable", /^binary not signed$/],
    ["locked", "key_store_locked", /logged in/],
    ["key_refused", "key_store_changed", /another Secure Enclave/],
    ["failed", "key_store_unavailable", /^the Secure Enclave fails$/],
  ])("that answers %s has a reason that people understand", async (refusal, code, reason) => {
    const { dir } = keyAtHand();
    const env = enclave.saying({ version: 1, error: { code: refusal } });
    expect(await codeOf(() => open(dir, env).sign("device", message))).toBe(code);
    const found = await detectSecureEnclave({ env });
    expect(found).toMatchObject({ available: false, reason: expect.stringMatching(reason) });
  });

  it("passes on what the system said", async () => {
    const env = enclave.saying({ version: 1, error: { code: "failed", detail: "CryptoTokenKit -9" } });
    const { reason } = await detectSecureEnclave({ env });
    expect(reason).toBe('the Secure Enclave fails ("CryptoTokenKit -9")');
  });

  it("that hangs is killed, and keeps nobody waiting for longer than their own time", async () => {
    const { dir } = keyAtHand();
    const pidFile = join(enclave.folder, "pid");
    const env = enclave.program(`#!/bin/sh\necho $$ >> ${pidFile}\nexec sleep 1000\n`);
    const started = performance.now();
    const waiting = [1, 2, 3].map(() => codeOf(() => open(dir, env, 300).sign("device", message)));
    expect(await Promise.all(waiting)).toEqual(Array(3).fill("key_store_busy"));
    expect(performance.now() - started).toBeLessThan(3000);
    await expectNoneRunning(pidFile);
  });

  it("that leaves another process behind which holds its output is not waited for, nor listened to", async () => {
    const pidFile = join(enclave.folder, "orphan");
    const env = enclave.program(
      `#!/bin/sh\nwhile echo x; do sleep 0.05; done 2> /dev/null &\necho $! > ${pidFile}\n`,
    );
    expect(await codeOf(() => open(temporaryFolder(), env, 300).describe())).toBe("key_store_busy");
    await expectNoneRunning(pidFile);
  });
});

/** Waits until every process that wrote its id into a file has ended. */
async function expectNoneRunning(pidFile: string): Promise<void> {
  const running = () => readFileSync(pidFile, "utf8").trim().split("\n").map(Number).filter(isRunning);
  try {
    await expect.poll(running, { timeout: 5000 }).toEqual([]);
  } finally {
    for (const pid of running()) process.kill(pid, "SIGKILL");
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("the helper for the Mac, which these tests cannot run,", () => {
  const source = (name: string) =>
    readFileSync(new URL(`../secure-enclave/Sources/${name}.swift`, import.meta.url), "utf8");
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);

  it("refuses with the codes that the driver knows", () => {
    expect(all(source("Refusal"), /^ +case \w+ = "(\w+)"$/gm).sort()).toEqual([...refusalCodes].sort());
  });

  it("takes the requests that the driver sends", () => {
    const key = PrivateKey.generate().publicKey;
    const requests = [probe, make, sign(key.bytes, key.bytes), agree(key.bytes, key)].map(({ request }) => {
      const { do: name, ...members } = request;
      return [name, Object.keys(members).sort()];
    });
    const commands = [...source("Commands").matchAll(/^ +"(\w+)": Command\(\[(.*)\],/gm)];
    expect(commands.map(([, name, members = ""]) => [name, all(members, /"(\w+)"/g).sort()])).toEqual(
      requests,
    );
  });
});

describe("what may be run as the helper", () => {
  const reasonFor = async (path: string) =>
    (await detectSecureEnclave({ env: { AMESH_SECURE_ENCLAVE_HELPER: path } })).reason;

  it("is there on a Mac once it was built, or where the variable says", async () => {
    expect(await detectSecureEnclave({ env: {}, platform: "linux" })).toMatchObject({
      available: false,
      reason: "needs macOS",
    });
    expect(
      await detectSecureEnclave({ env: { AMESH_SECURE_ENCLAVE_HELPER: "" }, platform: "win32" }),
    ).toMatchObject({
      available: false,
      reason: "needs macOS",
    });
    expect(await detectSecureEnclave({ env: {}, platform: "darwin" })).toMatchObject({
      available: false,
      reason: expect.stringMatching(/^the helper is not built, see \/.*\/secure-enclave\/README\.md$/),
    });
    expect(await detectSecureEnclave({ env: enclave.env, platform: "linux" })).toMatchObject({
      available: true,
    });
  });

  it("is a file with an absolute path that may be executed", async () => {
    const { AMESH_SECURE_ENCLAVE_HELPER: plain } = enclave.program("#!/bin/sh\n", 0o600);
    expect(await reasonFor(plain)).toBe(`${plain} cannot be run: permission denied`);
    expect(await reasonFor("/nowhere/helper")).toBe("no /nowhere/helper");
    expect(await reasonFor(`${plain}/helper`)).toContain("a part of its path is not a folder");
    expect(await reasonFor(enclave.folder)).toContain("is not a regular file");
    expect(await reasonFor("helper")).toContain("is not an absolute path");
  });

  it.each([0o720, 0o702])("is a file that nobody else can write, not one of mode %o", async (mode) => {
    const { AMESH_SECURE_ENCLAVE_HELPER: path } = enclave.helper();
    chmodSync(path, mode);
    expect(await reasonFor(path)).toBe(`its code is not safe to run: others may write to ${path}`);
    expect(
      await codeOf(() => open(temporaryFolder(), { AMESH_SECURE_ENCLAVE_HELPER: path }).describe()),
    ).toBe("key_store_unavailable");
  });

  it("is in folders that nobody else can write", async () => {
    const own = new StandInEnclave(onTestFinished);
    const { AMESH_SECURE_ENCLAVE_HELPER: path } = own.env;
    chmodSync(own.folder, 0o770);
    expect(await reasonFor(path)).toContain(`others may write to ${own.folder}`);
    chmodSync(own.folder, 0o755);
    expect(await reasonFor(path)).toBe("helper 1.0");
  });

  it("is judged by what a link leads to", async () => {
    const own = new StandInEnclave(onTestFinished);
    const folder = join(own.folder, "links");
    mkdirSync(folder);
    const link = join(folder, "helper");
    symlinkSync(`../${basename(own.env.AMESH_SECURE_ENCLAVE_HELPER)}`, link);
    expect(await reasonFor(link)).toBe("helper 1.0");
    chmodSync(own.env.AMESH_SECURE_ENCLAVE_HELPER, 0o722);
    expect(await reasonFor(link)).toContain(`others may write to ${own.env.AMESH_SECURE_ENCLAVE_HELPER}`);
  });

  it.runIf(process.getuid?.() === 0)("belongs to root or to whoever runs it", async () => {
    const { AMESH_SECURE_ENCLAVE_HELPER: path } = enclave.helper();
    chownSync(path, 12_345, 0);
    expect(await reasonFor(path)).toContain(`${path} belongs to another user (12345)`);
  });
});

describe("the file of a key in the Secure Enclave", () => {
  const edit = (file: string, changes: object) =>
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));

  it("with a part of another key is noticed", async () => {
    const [one, two] = [keyAtHand(), await newKey()];
    const whole = readFileSync(one.file);
    const { signingKey, agreementKey, peer, publicKey } = JSON.parse(readFileSync(two.file, "utf8"));
    const codeWith = async (changes: object, use: (store: SecureEnclaveKeyStore) => Promise<unknown>) => {
      writeFileSync(one.file, whole);
      edit(one.file, changes);
      return codeOf(() => use(open(one.dir)));
    };
    expect(await codeWith({ signingKey }, (store) => store.sign("device", message))).toBe(
      "key_store_damaged",
    );
    expect(await codeWith({ publicKey }, (store) => store.sign("device", message))).toBe("key_store_damaged");
    for (const changes of [{ agreementKey }, { peer }, { publicKey }])
      expect(await codeWith(changes, (store) => store.sealingSecret("device"))).toBe("key_store_changed");
    expect(await codeWith({ signingKey: agreementKey }, (store) => store.sign("device", message))).toBe(
      "key_store_changed",
    );
  });

  it.each([
    ["another version", { version: 2 }],
    [
      "a public key that is on no curve",
      { publicKey: Buffer.from([2, ...Array(32).fill(0xff)]).toString("base64") },
    ],
    ["no peer", { peer: undefined }],
    ["an empty key", { signingKey: "" }],
    ["a key that is too long", { agreementKey: "A".repeat(2732) }],
    ["a check that is too short", { check: "AA" }],
    ["a member that is unknown", { more: 1 }],
  ])("with %s is damaged", async (_, changes) => {
    const { file, store } = keyAtHand();
    edit(file, changes);
    expect(await codeOf(() => store.publicKey("device"))).toBe("key_store_damaged");
    expect(await codeOf(() => store.sign("device", message))).toBe("key_store_damaged");
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const whole = readFileSync(keyAtHand().file, "utf8");
    await fc.assert(
      fc.asyncProperty(bytesLike(whole), async (content) => {
        expect(await codeOf(() => parseSecureEnclaveFile(content))).toMatch(/^(no error|key_store_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("an answer of the helper", () => {
  const key = PrivateKey.generate().publicKey;
  const bytes = Buffer.alloc(32, 7).toString("base64");
  it.each([
    ["probe", probe, { helper: "1.0" }],
    [
      "make",
      make,
      { publicKey: key.base64, signingKey: bytes, agreementPublicKey: key.base64, agreementKey: bytes },
    ],
    ["sign", sign(new Uint8Array(32), new Uint8Array(32)), { signature: bytes }],
    ["agree", agree(new Uint8Array(32), key), { secret: bytes }],
  ])("to %s is read without any other exception, whatever the bytes", (_, command, ok) => {
    const whole = `${JSON.stringify({ version: 1, ok })}\n`;
    expect(Object.keys(readAnswer(command as typeof probe, Buffer.from(whole)))).toEqual(Object.keys(ok));
    fc.assert(
      fc.property(bytesLike(whole), (output) => {
        try {
          readAnswer(command as typeof probe, output);
        } catch (error) {
          expect(error).toBeInstanceOf(Trouble);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Bytes, JSON, and a text with a few characters changed. */
function bytesLike(whole: string): fc.Arbitrary<Uint8Array> {
  const edited = fc
    .tuple(fc.nat(whole.length), fc.nat(20), fc.string({ maxLength: 8 }))
    .map(([at, length, text]) => Buffer.from(whole.slice(0, at) + text + whole.slice(at + length)));
  const json = fc.json().map((text) => Buffer.from(`${text}\n`));
  return fc.oneof(fc.uint8Array({ maxLength: 300 }), edited, json);
}
