import { createHash, randomBytes } from "node:crypto";
import { AmeshError, PrivateKey, PublicKey, type Signable, signableProbe, toLowS } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FakeKms } from "../../../examples/aws-kms/fake-kms.js";
import { KMSClient } from "../../../examples/aws-kms/kms-client.js";
import { kmsKeyStore } from "../../../examples/aws-kms/kms-key-store.js";
import { keyStoreConformance, keyStoreDistrust } from "../../../test/conformance/suites/key-store.js";
import { createSignerKeyStore, type SignerOptions } from "../src/index.js";
import { codeOf } from "./fixture.js";

let fake: FakeKms;
beforeAll(async () => {
  fake = await FakeKms.start();
});
afterAll(() => fake.stop());
beforeEach(() => {
  fake.trouble = [];
  fake.latencyMs = 0;
});

const probe = signableProbe();
const secret = randomBytes(32);
const inKms = (options: Partial<SignerOptions> = {}) =>
  kmsKeyStore({
    KeyId: fake.keyId,
    kms: new KMSClient({ endpoint: fake.endpoint }),
    sealingSecret: async () => secret,
    ...options,
  });

keyStoreConformance("kms", async () => ({ store: await inKms(), reopen: () => inKms() }), "made elsewhere");

keyStoreDistrust(
  "kms",
  async () => {
    const honest = await inKms();
    const publicKey = await honest.publicKey("device");
    const sign = async (_: Uint8Array, { message }: { message: Uint8Array }) => raw(message);
    return { honest, liar: createSignerKeyStore({ publicKey, sign }) };
  },
  "made elsewhere",
);

describe("a key in a KMS", () => {
  it("signs 40 times, always low-S, though the KMS does not", async () => {
    const kms = new WatchedClient({ endpoint: fake.endpoint });
    const store = await kmsKeyStore({ KeyId: fake.keyId, kms });
    const key = await store.publicKey("device");
    for (let i = 0; i < 40; i++) {
      const signature = await store.sign("device", probe);
      expect(toLowS(signature)).toBe(signature);
      expect(key.verify(probe, signature)).toBe(true);
    }
    expect(kms.high).toBeGreaterThan(0);
    expect(kms.high).toBeLessThan(40);
  });

  it("signs though the KMS throttles, fails or drops a connection once in a while", async () => {
    const store = await inKms();
    for (const trouble of ["throttle", "fail", "reset"]) {
      fake.trouble = [trouble];
      await store.sign("device", probe);
      expect(fake.trouble).toEqual([]);
    }
  });

  it.each([
    ["throttle", "key_store_busy", /^AWS KMS limits the calls/],
    ["fail", "key_store_unavailable", /^AWS KMS did not sign: "KMSInternalException: An internal error/],
    ["reset", "key_store_unavailable", /^AWS KMS did not sign: "TypeError: fetch failed"\.$/],
  ])(
    "says of a KMS that does nothing but %s: %s, and signs on when it is over",
    async (trouble, code, text) => {
      const store = await inKms();
      fake.trouble = Array(3).fill(trouble);
      const error = await store.sign("device", probe).catch((thrown) => thrown);
      expect(error).toMatchObject({ code, message: expect.stringMatching(text), cause: expect.any(Error) });
      await store.sign("device", probe);
    },
  );

  it("says key_store_busy of a KMS that hangs, and signs on afterwards", async () => {
    const store = await inKms({ timeoutMs: 100 });
    fake.trouble = ["hang"];
    await expect(store.sign("device", probe)).rejects.toMatchObject({
      code: "key_store_busy",
      message: "AWS KMS gave no answer within 0.1 s.",
    });
    await store.sign("device", probe);
  });

  it("is sent a hundred messages at once in sixteens", async () => {
    const kms = new WatchedClient({ endpoint: fake.endpoint });
    const store = await kmsKeyStore({ KeyId: fake.keyId, kms });
    const key = await store.publicKey("device");
    const signatures = await Promise.all(Array.from({ length: 100 }, () => store.sign("device", probe)));
    expect(signatures.every((signature) => key.verify(probe, signature))).toBe(true);
    expect(kms.most).toBe(16);
  });
});

/** Counts how many calls run at once, and how many signatures have a high s. */
class WatchedClient extends KMSClient {
  most = 0;
  high = 0;
  #running = 0;

  override async send(...call: Parameters<KMSClient["send"]>) {
    this.most = Math.max(this.most, ++this.#running);
    const answer = await super.send(...call);
    this.#running--;
    if (answer["Signature"] !== undefined && isHigh(answer["Signature"])) this.high++;
    return answer;
  }
}

/** Whether s of a signature in DER is in the upper half: its first byte is then above 7f, and a zero stands before it. */
function isHigh(der: Uint8Array): boolean {
  const s = der.subarray(4 + (der[3] as number));
  return s[1] === 33;
}

const own = PrivateKey.generate();
const store = (sign: SignerOptions["sign"], more: Partial<SignerOptions> = {}) =>
  createSignerKeyStore({ publicKey: own.publicKey, sign, ...more });
const raw = (message: Uint8Array, key = own) => key.sign(message as Signable);

describe("what a signer answers", () => {
  it("may be raw, and is asked for by the SHA-256 of the message, or the message", async () => {
    const signer = store(async (digest, { message }) => {
      expect(digest).toEqual(createHash("sha256").update(probe).digest());
      return raw(message);
    });
    expect(own.publicKey.verify(probe, await signer.sign("device", probe))).toBe(true);
  });

  it("is made low-S", async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const signer = store(async (_, { message }) => {
      const signature = Buffer.from(raw(message));
      const s = order - BigInt(`0x${signature.toString("hex", 32)}`);
      signature.write(s.toString(16).padStart(64, "0"), 32, "hex");
      return signature;
    });
    const signature = await signer.sign("device", probe);
    expect(toLowS(signature)).toBe(signature);
    expect(own.publicKey.verify(probe, signature)).toBe(true);
  });

  it("is copied, so that nobody changes it after it was checked", async () => {
    let kept = new Uint8Array();
    const signature = await store(async (_, { message }) => {
      kept = Uint8Array.from(raw(message));
      return kept;
    }).sign("device", probe);
    kept.fill(0);
    expect(own.publicKey.verify(probe, signature)).toBe(true);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["text", "MEUCIQ"],
    ["a list of numbers", [...raw(probe)]],
    ["no bytes", new Uint8Array()],
    ["63 bytes", raw(probe).subarray(1)],
    ["a megabyte", new Uint8Array(1_000_000).fill(0x30)],
    ["DER with a byte too many", Buffer.from("3006020101020101ff", "hex")],
    ["DER with a negative number", Buffer.from("3006020181020101", "hex")],
  ])("is no signature: %s", async (_, answer) => {
    const signing = store(async () => answer as Uint8Array).sign("device", probe);
    await expect(signing).rejects.toMatchObject({
      code: "key_store_unavailable",
      message: "Cloud KMS did not sign: what came back is no ECDSA signature of P-256.",
    });
  });

  it.each<[string, SignerOptions["sign"]]>([
    ["another key", async () => raw(probe, PrivateKey.generate())],
    ["another message", async () => raw(Buffer.from("another"))],
    ["the digest, hashed once more", async (digest) => raw(digest)],
    ["nothing, all zero", async () => new Uint8Array(64)],
    ["nothing, s above the order", async () => new Uint8Array(64).fill(0xff)],
  ])("does not fit the key: a signature by or over %s", async (_, sign) => {
    await expect(store(sign).sign("device", probe)).rejects.toMatchObject({
      code: "key_mismatch",
      message: expect.stringContaining(own.publicKey.deviceId),
      fix: expect.stringContaining("DIGEST"),
    });
  });

  it("gives a signature that fits or an error of the catalogue, whatever it is", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      fc.tuple(fc.nat(71), fc.nat(255)).map(([at, value]) => {
        const der = Buffer.from(derOfOwn);
        der[at] = value;
        return der;
      }),
      fc.anything(),
    );
    const answered = async (answer: unknown) => {
      const signer = store(async () => answer as Uint8Array);
      return codeOf(async () =>
        expect(own.publicKey.verify(probe, await signer.sign("device", probe))).toBe(true),
      );
    };
    await fc.assert(
      fc.asyncProperty(bytes, async (answer) => {
        expect(await answered(answer)).toMatch(/^(no error|key_store_unavailable|key_mismatch)$/);
      }),
      { numRuns: 500 },
    );
    expect(await answered(derOfOwn)).toBe("no error");
  });

  const derOfOwn = (() => {
    for (;;) {
      const signature = raw(probe);
      if ((signature[0] as number) < 0x80 && (signature[0] as number) > 0 && (signature[32] as number) > 0) {
        const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
        return Buffer.concat([Buffer.of(0x30, 68, 2, 32), r, Buffer.of(2, 32), s]);
      }
    }
  })();
});

describe("a signer in trouble", () => {
  const thrownBy = (thrown: unknown) =>
    store(() => Promise.reject(thrown))
      .sign("device", probe)
      .catch((error) => error);

  it("is quoted, cut short and escaped; its error is the cause", async () => {
    const cause = new Error(`\u001b[31m${"x".repeat(200)}`);
    cause.name = "AccessDeniedException";
    const error = await thrownBy(cause);
    expect(error).toBeInstanceOf(AmeshError);
    expect(error).toMatchObject({ code: "key_store_unavailable", cause });
    expect(error.message).toMatch(/^Cloud KMS did not sign: "AccessDeniedException: \\u001b\[31mx+…"\.$/);
    expect(error.message.length).toBeLessThan(120);
  });

  it.each([
    ["text", "denied"],
    ["nothing", undefined],
    ["an object without a name", Object.create(null)],
  ])("may throw %s", async (_, thrown) =>
    expect(await thrownBy(thrown)).toMatchObject({ code: "key_store_unavailable" }),
  );

  it("may throw before it promises anything", async () => {
    const signer = store(() => {
      throw new Error("not configured");
    });
    await expect(signer.sign("device", probe)).rejects.toMatchObject({ code: "key_store_unavailable" });
  });

  it("is handed on when it speaks the catalogue itself", async () => {
    const busy = new AmeshError("key_store_busy", "Throttled.");
    expect(await thrownBy(busy)).toBe(busy);
  });
});

describe("calls that take too long", () => {
  /** A signer that hangs for the first so many calls and does not heed its signal. */
  const deaf = (hanging: number, heard: AbortSignal[] = []): SignerOptions["sign"] => {
    return (_, { message, signal }) => {
      heard.push(signal);
      return heard.length > hanging ? Promise.resolve(raw(message)) : new Promise(() => {});
    };
  };
  const codesOf = (signer: ReturnType<typeof store>, times: number) =>
    Promise.all(Array.from({ length: times }, () => codeOf(() => signer.sign("device", probe))));

  it("are given up and told so", async () => {
    const heard: AbortSignal[] = [];
    const signer = store(deaf(1, heard), { timeoutMs: 20 });
    expect(await codesOf(signer, 1)).toEqual(["key_store_busy"]);
    expect(heard.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it("fail those that wait behind them, too; the next ones find room", async () => {
    const heard: AbortSignal[] = [];
    let isBack = false;
    const signer = store(
      (digest, request) => (isBack ? deaf(0)(digest, request) : deaf(50, heard)(digest, request)),
      { timeoutMs: 20 },
    );
    expect(await codesOf(signer, 50)).toEqual(Array(50).fill("key_store_busy"));
    expect(heard.every(({ aborted }) => aborted)).toBe(true);
    isBack = true;
    expect(await codesOf(signer, 50)).toEqual(Array(50).fill("no error"));
  });

  it("are bounded where the signer is deaf: at 128 it is asked no more, until some end", async () => {
    const ends: (() => void)[] = [];
    const signer = store(
      (_, { message }) =>
        new Promise((resolve) => {
          ends.push(() => resolve(raw(message)));
        }),
      { timeoutMs: 20 },
    );
    for (let round = 0; round < 10; round++)
      expect(new Set(await codesOf(signer, 40))).toEqual(new Set(["key_store_busy"]));
    expect(ends.length).toBeGreaterThanOrEqual(112);
    expect(ends.length).toBeLessThanOrEqual(128);
    const asked = ends.length;
    await expect(signer.sign("device", probe)).rejects.toMatchObject({
      code: "key_store_busy",
      message: "Cloud KMS leaves too many calls without an answer; no more are made.",
      fix: expect.stringContaining("signal"),
    });
    expect(ends).toHaveLength(asked);
    for (const end of ends) end();
    await new Promise(setImmediate);
    const late = signer.sign("device", probe);
    await new Promise(setImmediate);
    ends.at(-1)?.();
    expect(own.publicKey.verify(probe, await late)).toBe(true);
  });

  it("leave no timer behind when they end in time", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    await codesOf(store(deaf(0)), 40);
    expect(timers()).toBeLessThan(before + 40); // those of fetch come and go
  });
});

describe("the sealing secret", () => {
  it("is asked for once, by however many at once, and is the store's own copy", async () => {
    let asked = 0;
    const given = Uint8Array.from(secret);
    const signer = store(async () => undefined, {
      sealingSecret: async () => {
        asked++;
        return given;
      },
    });
    const secrets = await Promise.all([1, 2, 3].map(() => signer.sealingSecret("device")));
    given.fill(0);
    secrets[0]?.fill(0);
    expect(await signer.sealingSecret("device")).toEqual(Uint8Array.from(secret));
    expect(asked).toBe(1);
  });

  it("is asked for again after a failure", async () => {
    const answers = [() => Promise.reject(new Error("denied")), async () => secret];
    const signer = store(async () => undefined, {
      sealingSecret: () => (answers.shift() as () => Promise<Buffer>)(),
    });
    await expect(signer.sealingSecret("device")).rejects.toThrow(
      /^Cloud KMS did not give .* "Error: denied"\.$/,
    );
    expect(await signer.sealingSecret("device")).toHaveLength(32);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["31 bytes", secret.subarray(1)],
    ["text of 32 characters", "x".repeat(32)],
  ])("is 32 bytes and not %s", async (_, given) => {
    const signer = store(async () => undefined, { sealingSecret: async () => given as Uint8Array });
    await expect(signer.sealingSecret("device")).rejects.toMatchObject({ code: "key_store_unavailable" });
  });

  it("is missing where none was configured, and the error says how to", async () => {
    await expect(store(async () => undefined).sealingSecret("device")).rejects.toMatchObject({
      code: "key_store_unavailable",
      fix: expect.stringContaining("sealingSecret"),
    });
  });
});

describe("createSignerKeyStore", () => {
  it("takes the public key as a KMS writes it", async () => {
    const der = Buffer.from(fake.publicKey);
    const pem = `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`;
    for (const publicKey of [der, der.toString("base64"), pem]) {
      const key = await store(async () => undefined, { publicKey }).publicKey("device");
      expect(key.base64).toBe((await (await inKms()).publicKey("device")).base64);
    }
    expect(await codeOf(() => store(async () => undefined, { publicKey: der.subarray(1) }))).toBe(
      "invalid_public_key",
    );
    expect(await store(async () => undefined).publicKey("device")).toBeInstanceOf(PublicKey);
  });

  it("takes other names", async () => {
    const { info, publicKey } = store(async () => undefined, { name: "hsm-7", label: "HSM 7" });
    expect(info).toMatchObject({ name: "hsm-7", label: "HSM 7" });
    expect(publicKey).toBeInstanceOf(Function);
    const signer = store(async () => raw(probe), { alias: "orders" });
    expect((await signer.publicKey("orders")).base64).toBe(own.publicKey.base64);
    expect(await codeOf(() => signer.publicKey("device"))).toBe("key_not_found");
  });

  it.each([
    { sign: undefined },
    { name: "" },
    { name: "Cloud KMS" },
    { name: "tpm" },
    { name: "encrypted-file" },
    { label: "" },
    { alias: "../device" },
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeoutMs: 2 ** 31 },
  ])("calls %j a mistake of the programmer", (options) => {
    expect(() => store(async () => undefined, options as Partial<SignerOptions>)).toThrow(TypeError);
  });
});
