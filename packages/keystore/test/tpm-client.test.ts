import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signableProbe } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { detectTpm } from "../src/drivers/tpm.js";
import { detectKeyStore, TpmKeyStore } from "../src/index.js";
import { tpmAddress } from "../src/tpm/address.js";
import * as attestation from "../src/tpm/attestation/commands.js";
import * as commands from "../src/tpm/commands.js";
import { type Command, readAnswer, writeCommand } from "../src/tpm/message.js";
import { signingKeyTemplate } from "../src/tpm/public-area.js";
import { TpmTrouble } from "../src/tpm/trouble.js";
import { codeOf, temporaryFolder } from "./fixture.js";

const every: readonly Command<unknown>[] = [
  commands.createStorageRoot(),
  commands.create(1, signingKeyTemplate, new Uint8Array()),
  commands.load(1, { public: new Uint8Array(), private: new Uint8Array() }),
  commands.sign(1, new Uint8Array(32)),
  commands.unseal(1),
  commands.flush(1),
  commands.handlesOf("object"),
  commands.fixedProperties(),
  attestation.readPublic(1),
  attestation.certify(1, 2, new Uint8Array(32)),
  attestation.activateCredential(
    1,
    { handle: 2, session: 3 },
    { blob: new Uint8Array(), seed: new Uint8Array() },
  ),
  attestation.startPolicySession("sha256", new Uint8Array(16)),
  attestation.policyEndorsement(1),
  attestation.nvSize(1),
  attestation.nvRead(1, 0, 8),
];

const answer = (tag: number, code: number, ...body: number[]) => {
  const bytes = Buffer.alloc(10 + body.length);
  bytes.writeUInt16BE(tag, 0);
  bytes.writeUInt32BE(bytes.length, 2);
  bytes.writeUInt32BE(code, 6);
  bytes.set(body, 10);
  return bytes;
};

/** What reading an answer fails with: code and words. */
function troubleOf(command: Command<unknown>, bytes: Uint8Array): string {
  try {
    readAnswer(command, bytes);
  } catch (error) {
    if (error instanceof TpmTrouble) return `${error.toAmeshError().code}: ${error.message}`;
    throw error;
  }
  return "no trouble";
}

describe("a command for a TPM", () => {
  it("has the bytes of the TPM 2.0 Library", () => {
    const hex = (command: Command<unknown>) => Buffer.from(writeCommand(command)).toString("hex");
    expect(hex(commands.flush(0x80000001))).toBe("80010000000e0000016580000001");
    expect(hex(commands.unseal(0x80000001))).toBe("80020000001b0000015e8000000100000009400000090000000000");
    expect(hex(commands.fixedProperties())).toBe("8001000000160000017a000000060000010500000008");
    const password = "400000090000000000";
    expect(hex(attestation.nvRead(0x01c00002, 512, 4))).toBe(
      `8002000000230000014e01c0000201c0000200000009${password}00040200`,
    );
    const credential = { blob: Uint8Array.of(1), seed: Uint8Array.of(2) };
    expect(
      hex(
        attestation.activateCredential(0x80000001, { handle: 0x80000002, session: 0x03000000 }, credential),
      ),
    ).toBe(`80020000002e00000147800000018000000200000012${password}030000000000010000000101000102`);
  });
});

describe("an answer of a TPM", () => {
  it("is read without any other exception, whatever the bytes", () => {
    const known = fc
      .tuple(
        fc.constantFrom(0x8001, 0x8002, 0x00c4),
        fc.oneof(fc.constant(0), fc.nat(0xfff)),
        fc.uint8Array({ maxLength: 200 }),
      )
      .map(([tag, code, body]) => answer(tag, code, ...body));
    const sessions = fc
      .tuple(fc.array(fc.constantFrom(0, 0, 0, 1, 2, 8, 32, 128, 255), { maxLength: 120 }))
      .map(([body]) => answer(0x8002, 0, ...body));
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 100 }), known, sessions);
    fc.assert(
      fc.property(fc.constantFrom(...every), bytes, (command, content) => {
        expect(troubleOf(command, content)).toMatch(/^(no trouble|(key_store|attestation)_[a-z]+: .+)$/);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [0x921, /^key_store_locked: .*wrong passwords/],
    [0x922, /^key_store_busy: it is busy/],
    [0x902, /^key_store_busy: its memory for objects is full/],
    [0x1df, /^key_store_changed: .*another TPM/],
    [0x9a2, /^key_store_unavailable: its owner hierarchy has a password/],
    [0x100, /^key_store_unavailable: nobody has started it up/],
    [0x18b, /^key_store_unavailable: it no longer knows an object/],
    [0x2d5, /^key_store_damaged: /],
    [0x17f, /^key_store_unavailable: it refuses with 0x17f/],
  ])("with the response code %i is told in plain words", (code, words) => {
    expect(
      troubleOf(
        commands.load(1, { public: new Uint8Array(), private: new Uint8Array() }),
        answer(0x8001, code),
      ),
    ).toMatch(words);
  });

  it("is taken for a signature only when it is one of ECDSA with SHA-256, padded to 64 bytes", () => {
    const signed = (scheme: number, r: number[], s: number[], authorisation = [0, 0, 1, 0, 0]) => {
      const body = [0, scheme, 0, 0x0b, 0, r.length, ...r, 0, s.length, ...s];
      return answer(0x8002, 0, 0, 0, 0, body.length, ...body, ...authorisation);
    };
    const command = commands.sign(1, new Uint8Array(32));
    expect([...readAnswer(command, signed(0x18, [5], [6, 7]))]).toEqual([
      ...Array(31).fill(0),
      5,
      ...Array(30).fill(0),
      6,
      7,
    ]);
    for (const bad of [
      signed(0x14, [5], [6]),
      signed(0x18, Array(33).fill(1), [6]),
      signed(0x18, [5], [6], [0, 0, 1, 0, 0, 0]),
      signed(0x18, [5], [6], []),
    ])
      expect(troubleOf(command, bad)).toMatch(/no TPM 2\.0/);
  });

  it("of a TPM 1.2 is called so", () => {
    expect(troubleOf(commands.unseal(1), answer(0x00c4, 0x1e))).toMatch(/TPM 1\.2/);
  });
});

describe("an answer about the proof of a key", () => {
  const refused = (command: Command<unknown>, code: number) => troubleOf(command, answer(0x8001, code));

  it("says which password stands in the way, and what is wrong with the challenge", () => {
    const template = new Uint8Array();
    expect(refused(commands.createPrimary("endorsement", template), 0x9a2)).toMatch(
      /^attestation_unavailable: its endorsement hierarchy has a password/,
    );
    expect(refused(attestation.policyEndorsement(1), 0x185)).toMatch(
      /^attestation_unavailable: .*switched off/,
    );
    expect(refused(attestation.nvRead(1, 0, 8), 0x149)).toMatch(/^attestation_unavailable: .*certificate/);
    const credential = { blob: template, seed: template };
    for (const code of [0x2df, 0x2d5, 0x1a7])
      expect(refused(attestation.activateCredential(1, 2, credential), code)).toMatch(
        /^attestation_refused: /,
      );
    expect(refused(attestation.startPolicySession("sha256", template), 0x903)).toMatch(
      /^key_store_busy: .*sessions/,
    );
  });

  it("is as many bytes of the memory as were asked for, of a place that was written", () => {
    const authorised = (...parameters: number[]) =>
      answer(0x8002, 0, 0, 0, 0, parameters.length, ...parameters, 0, 0, 1, 0, 0);
    expect([...readAnswer(attestation.nvRead(1, 0, 2), authorised(0, 2, 7, 8))]).toEqual([7, 8]);
    expect(troubleOf(attestation.nvRead(1, 0, 2), authorised(0, 1, 7))).toMatch(/less than was asked for/);
    const place = (attributes: number) =>
      answer(0x8001, 0, 0, 14, 1, 0xc0, 0, 2, 0, 0x0b, attributes, 4, 0, 0, 0, 0, 3, 0xe8, 0, 0);
    expect(readAnswer(attestation.nvSize(1), place(0x20))).toBe(1000);
    expect(readAnswer(attestation.nvSize(1), place(0))).toBe(0);
  });
});

describe("AMESH_TPM", () => {
  it.each([
    [undefined, { kind: "device", path: "/dev/tpmrm0" }],
    ["", { kind: "device", path: "/dev/tpmrm0" }],
    ["/dev/tpm1", { kind: "device", path: "/dev/tpm1" }],
    ["unix:/run/swtpm.sock", { kind: "socket", path: "/run/swtpm.sock" }],
    ["swtpm:127.0.0.1:2321", { kind: "socket", host: "127.0.0.1", port: 2321 }],
    ["swtpm:[::1]:2321", { kind: "socket", host: "::1", port: 2321 }],
  ])("%s is an address", (text, address) => {
    expect(tpmAddress({ AMESH_TPM: text })).toEqual(address);
  });

  it.each(["tpm", "swtpm:", "swtpm:localhost", "swtpm:localhost:65536", "unix:socket", "\u001b[2J"])(
    "%j is none, and a key store whose reason says how one is written",
    async (text) => {
      const { available, reason } = await detectTpm({ AMESH_TPM: text });
      expect({ available, reason }).toEqual({
        available: false,
        reason: expect.stringContaining("AMESH_TPM is no address"),
      });
      expect(reason).not.toContain("\u001b");
    },
  );
});

describe("detection", () => {
  const reasonOf = async (AMESH_TPM: string) => (await detectTpm({ AMESH_TPM }, 200)).reason;

  it("says why there is no TPM", async () => {
    const folder = temporaryFolder();
    const device = join(folder, "tpmrm0");
    expect(await reasonOf(device)).toBe(`no ${device}`);
    writeFileSync(join(folder, "tpm0"), "");
    expect(await reasonOf(device)).toMatch(/^no resource manager: there is .*tpm0 but no /);
    expect(await reasonOf("/dev/null")).toMatch(/^what answers is no TPM 2\.0/);
    expect(await reasonOf(`unix:${folder}/socket`)).toBe(`no ${folder}/socket`);
    expect(await reasonOf("swtpm:localhost:9")).toBe("nothing listens at localhost:9");
  });

  it("writes into nothing but a device", async () => {
    const file = join(temporaryFolder(), "tpmrm0");
    writeFileSync(file, "mine");
    expect(await reasonOf(file)).toBe(`${file} is no device`);
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  it("stops an identity whose TPM is forced and is not there", async () => {
    const context = {
      dir: "/nowhere",
      env: { AMESH_TPM: "/nowhere/tpmrm0" },
      passphrase: () => Promise.reject(new Error("a TPM needs none")),
    };
    await expect(detectKeyStore(context, "tpm")).rejects.toThrow("no /nowhere/tpmrm0");
    expect(await codeOf(() => detectKeyStore(context, "tpm"))).toBe("key_store_unavailable");
  });
});

/** A server that is no TPM; answers each piece it receives as it likes. */
async function impostor(behave: (socket: Socket, piece: Buffer) => void): Promise<TpmKeyStore> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.on("data", (piece) => behave(socket, piece));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const dir = mkdtempSync(join(tmpdir(), "amesh-keystore-"));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  return new TpmKeyStore({ dir, env: { AMESH_TPM: `swtpm:127.0.0.1:${port}` }, timeoutMs: 300 });
}

describe("what is no TPM", () => {
  it.each<[string, string, (socket: Socket) => void]>([
    ["says nothing", "key_store_busy", () => {}],
    ["hangs up", "key_store_unavailable", (socket) => void socket.end()],
    ["cuts the line", "key_store_unavailable", (socket) => void socket.resetAndDestroy()],
    [
      "speaks HTTP",
      "key_store_unavailable",
      (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
    [
      "says half an answer",
      "key_store_busy",
      (socket) => void socket.write(answer(0x8001, 0).subarray(0, 7)),
    ],
    [
      "hangs up in the middle",
      "key_store_unavailable",
      (socket) => void socket.end(Buffer.from("800100", "hex")),
    ],
    [
      "announces 4 GiB",
      "key_store_unavailable",
      (socket) => void socket.write(Buffer.from("8001ffffffff", "hex")),
    ],
    ["floods", "key_store_unavailable", (socket) => void socket.write(Buffer.alloc(1 << 20, 0x80))],
    ["says success and no more", "key_store_unavailable", (socket) => void socket.write(answer(0x8002, 0))],
    [
      "says two answers",
      "key_store_unavailable",
      (socket) => void socket.write(Buffer.concat([answer(0x8001, 0x922), answer(0x8001, 0x922)])),
    ],
    ["is busy for ever", "key_store_busy", (socket) => void socket.write(answer(0x8001, 0x922))],
    ["is full for ever", "key_store_busy", (socket) => void socket.write(answer(0x8001, 0x902))],
  ])("and %s, fails with %s in bounded time", async (_, code, behave) => {
    const store = await impostor(behave);
    const start = performance.now();
    expect(await codeOf(() => store.generate("device"))).toBe(code);
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(await codeOf(() => store.sign("device", signableProbe()))).toBe("key_not_found");
  });

  it("is asked again with growing pauses while it is busy", async () => {
    let asked = 0;
    const store = await impostor((socket) => {
      asked++;
      socket.write(answer(0x8001, 0x922));
    });
    await expect(store.generate("device")).rejects.toThrow("it is busy (TPM2_CreatePrimary)");
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(10);
  });

  it("keeps nobody waiting behind others for longer than their own time", async () => {
    const store = await impostor(() => {});
    const start = performance.now();
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(() => store.generate("device"))));
    expect(new Set(codes)).toEqual(new Set(["key_store_busy"]));
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});
