import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, PrivateKey, toBase64Url } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type AttestationVerifierOptions, createAttestationVerifier } from "../src/attestation.js";
import { createIdentity, openIdentity, TpmKeyStore } from "../src/index.js";
import { startPolicySession } from "../src/tpm/attestation/commands.js";
import { endorsementKeyKinds, kindNames } from "../src/tpm/attestation/endorsement-key.js";
import {
  type Answer,
  type Claim,
  readAnswer,
  readChallenge,
  writeMessage,
} from "../src/tpm/attestation/messages.js";
import { sized } from "../src/tpm/marshal.js";
import { writeCommand } from "../src/tpm/message.js";
import { checkKeys, proveKey } from "./attestation-example.js";
import {
  authority,
  type Certificates,
  certify,
  derOf,
  endorsement,
  endorsementKeyOf,
  newDeviceIn,
  now,
  refusalOf,
  time,
  withCertificates,
} from "./attestation-fixture.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { manufacture, SoftwareTpm } from "./swtpm.js";

const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
});
const atTheEnd = (stop: () => void) => void stops.push(stop);

/** A TPM without a certificate, and a certificate for its endorsement key. */
let tpm: SoftwareTpm;
let pem: Certificates;
beforeAll(async () => {
  tpm = await SoftwareTpm.start(atTheEnd);
  const key = await endorsementKeyOf(tpm, "L-2");
  pem = certify([
    authority("root", "root"),
    authority("maker", "root"),
    endorsement("endorsement", "maker", key),
    endorsement("of a server", "maker", key, { usage: ["1.3.6.1.5.5.7.3.1"] }),
    endorsement("of anything", "maker", key, { usage: ["2.5.29.37.0"] }),
    { ...endorsement("of no purpose", "maker", key), usage: undefined },
  ]);
});

const newVerifier = (more: Partial<AttestationVerifierOptions> = {}) =>
  createAttestationVerifier({ roots: [pem("root")], intermediates: [pem("maker")], now, ...more });

/** A device in that TPM whose claim brings the certificate along. */
async function newDevice() {
  const { store, key, dir } = await newDeviceIn(tpm);
  const attestation = store.attestation("device");
  const claim = withCertificates(await attestation.claim(), pem("endorsement"));
  return { store, key, dir, claim, answer: (challenge: string) => attestation.answer(challenge) };
}

const edited = (text: string, change: (message: Record<string, unknown>) => void) => {
  const message = JSON.parse(text);
  change(message);
  return JSON.stringify(message);
};

describe("a TPM as its manufacturer delivers it", () => {
  let folder: string;
  let authorities: string[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "amesh-manufacture-"));
    atTheEnd(() => rmSync(folder, { recursive: true }));
    manufacture(join(folder, "state"), join(folder, "authority"));
    authorities = ["swtpm-localca-rootca-cert.pem", "issuercert.pem"].map((name) =>
      readFileSync(join(folder, "authority", name), "utf8"),
    );
  });
  const manufactured = () => SoftwareTpm.start(onTestFinished, "tcp", join(folder, "state"));

  it("proves its key by the certificate of a P-384 endorsement key, and without that by the one of RSA", async () => {
    const own = await manufactured();
    const { store, key } = await newDeviceIn(own);
    const attestation = store.attestation("device");
    const [root = "", intermediate = ""] = authorities;
    const verifier = createAttestationVerifier({ roots: [root], intermediates: [intermediate] });
    for (const [kind, serial, place] of [
      ["H-3", "03", "0x1c00016"],
      ["L-1", "02", "0x1c00002"],
    ] as const) {
      const challenge = verifier.challenge(await attestation.claim(), key);
      expect(readChallenge(challenge).endorsementKey).toBe(kind);
      const verdict = verifier.check(await attestation.answer(challenge));
      expect(verdict).toEqual({
        proven: true,
        deviceId: key.deviceId,
        manufacturer: "id:00001014",
        model: "swtpm",
        firmware: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
        ekCertificate: {
          subject: "CN=unknown",
          issuer: "CN=swtpm-localca",
          serial,
          notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000,
        },
      });
      expect(await store.describe()).toContain(`firmware ${verdict.proven && verdict.firmware}`);
      own.tool("tpm2_nvundefine", "-C", "p", place);
    }
    const verdict = verifier.check(
      await attestation.answer(verifier.challenge(await attestation.claim(), key)),
    );
    expect(verdict).toEqual({
      proven: false,
      deviceId: key.deviceId,
      reason: expect.stringMatching(/^claimed, not proven/),
    });
  });

  it("is refused by a verifier that knows other roots only", async () => {
    const own = await manufactured();
    const { store, key } = await newDeviceIn(own);
    const claim = await store.attestation("device").claim();
    const verifier = newVerifier({ now: Date.now });
    expect(await refusalOf(() => verifier.challenge(claim, key))).toMatch(
      /step "chain": no known root answers for "CN=swtpm-localca"/,
    );
  });

  it("says so when its certificates are for keys that it does not make", async () => {
    const own = await manufactured();
    own.tool("tpm2_changeeps"); // makes new endorsement keys; the certificates stay
    const { store } = await newDeviceIn(own);
    const claim = store.attestation("device").claim();
    await expect(claim).rejects.toMatchObject({
      code: "attestation_unavailable",
      message: expect.stringMatching(/certificate is not for the key/),
    });
  });
});

describe("an endorsement key", () => {
  it.each([
    ["L-2", "0x1c0000a"],
    ["H-2", "0x1c00014"],
    ["H-1", "0x1c00012"],
  ] as const)(
    "by the template %s proves, with all certificates from the TPM's own memory",
    async (kind, place) => {
      const own = await SoftwareTpm.start(onTestFinished, "tcp");
      const made = certify([
        authority("root", "root"),
        authority("one", "root"),
        authority("two", "one"),
        endorsement("endorsement", "two", await endorsementKeyOf(own, kind)),
      ]);
      const keep = (at: string, content: Buffer, filling: number) => {
        writeFileSync(join(own.folder, "content"), content);
        const attributes = "ownerread|ownerwrite|authread|no_da";
        own.tool("tpm2_nvdefine", at, "-C", "o", "-s", `${content.length + filling}`, "-a", attributes);
        own.tool("tpm2_nvwrite", at, "-C", "o", "-i", "content");
      };
      keep(place, derOf(made("endorsement")), 100);
      const chain = Buffer.concat([derOf(made("two")), derOf(made("one"))]);
      keep("0x1c00100", chain.subarray(0, 300), 0);
      keep("0x1c00101", chain.subarray(300), 20);
      const { store, key } = await newDeviceIn(own);
      const attestation = store.attestation("device");
      const verifier = createAttestationVerifier({ roots: [made("root")], now });
      const challenge = verifier.challenge(await attestation.claim(), key);
      expect(readChallenge(challenge).endorsementKey).toBe(kind);
      expect(verifier.check(await attestation.answer(challenge))).toMatchObject({
        proven: true,
        manufacturer: "INTC",
        model: "Model 7",
        ekCertificate: { subject: "", issuer: "CN=two", serial: "03EB" },
      });
    },
  );

  it("without a certificate makes a claim that reads so", async () => {
    const { store, key } = await newDeviceIn(tpm);
    const attestation = store.attestation("device");
    const verifier = newVerifier();
    const challenge = verifier.challenge(await attestation.claim(), key);
    const verdict = verifier.check(await attestation.answer(challenge));
    expect(verdict).toEqual({
      proven: false,
      deviceId: key.deviceId,
      reason: "claimed, not proven: the TPM has no certificate for its endorsement key",
    });
  });
});

describe("the verifier refuses", () => {
  it("a claim for another key than the one that is to be proven", async () => {
    const { claim } = await newDevice();
    const other = PrivateKey.generate().publicKey;
    expect(await refusalOf(() => newVerifier().challenge(claim, other))).toMatch(
      /step "key": the claim is for another key/,
    );
  });

  const attributes = 4; // where they begin in a public area
  const restricted = 0x01;
  it.each<[string, keyof Claim, number, number, RegExp]>([
    ["a key that may leave its TPM", "key", attributes + 3, 0x02, /step "key": .*fixed in its TPM/],
    ["a key that may get another parent", "key", attributes + 3, 0x10, /step "key"/],
    ["a key that was made elsewhere", "key", attributes + 3, 0x20, /step "key"/],
    ["a key that may decrypt", "key", attributes + 1, 0x02, /step "key"/],
    [
      "an attestation key that signs anything",
      "attestationKey",
      attributes + 1,
      restricted,
      /step "attestation key"/,
    ],
    [
      "an attestation key that may leave its TPM",
      "attestationKey",
      attributes + 3,
      0x02,
      /step "attestation key"/,
    ],
    [
      "an endorsement key that may leave its TPM",
      "endorsementKey",
      attributes + 3,
      0x02,
      /step "endorsement key"/,
    ],
    ["an endorsement key that signs", "endorsementKey", attributes + 1, 0x04, /step "endorsement key"/],
  ])("%s", async (_, member, at, bit, words) => {
    const { claim, key } = await newDevice();
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message[member]), "base64url");
      area[at] = (area[at] as number) ^ bit;
      message[member] = area.toString("base64url");
    });
    expect(await refusalOf(() => newVerifier().challenge(changed, key))).toMatch(words);
  });

  const modulus = (edit: (bytes: Uint8Array) => void, length = 256) => {
    const bytes = new Uint8Array(length).fill(0xff);
    edit(bytes);
    return concatBytes(endorsementKeyKinds["L-1"].beginning, sized(bytes));
  };
  it.each<[string, Uint8Array]>([
    ["an even modulus", modulus((bytes) => bytes.fill(0, 255))],
    ["a small modulus", modulus((bytes) => bytes.fill(0, 0, 255))],
    ["a modulus of 2,047 bits", modulus((bytes) => bytes.fill(0x7f, 0, 1))],
    ["a short modulus", modulus(() => {}, 64)],
    ["no modulus", modulus(() => {}, 0)],
    [
      "a point on no curve",
      concatBytes(endorsementKeyKinds["L-2"].beginning, sized(new Uint8Array(32)), sized(new Uint8Array(32))),
    ],
    ["no point", concatBytes(endorsementKeyKinds["H-3"].beginning, sized(), sized())],
    [
      "something at its end",
      concatBytes(
        modulus(() => {}),
        sized(),
      ),
    ],
  ])("an endorsement key with %s, before it encrypts anything", async (_, area) => {
    const { claim, key } = await newDevice();
    const changed = edited(withCertificates(claim), (message) => {
      message["endorsementKey"] = toBase64Url(area);
    });
    expect(await refusalOf(() => newVerifier().challenge(changed, key))).toMatch(/step "endorsement key"/);
  });

  it("a key that is not in the TPM, though all else is", async () => {
    const { claim, answer } = await newDevice();
    // The public area of a software key says of itself what it likes; the TPM does not certify it.
    const software = PrivateKey.generate().publicKey;
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message["key"]), "base64url");
      const point = software.bytes;
      const y = Buffer.from(area.subarray(-32));
      y[31] = ((y[31] as number) & 0xfe) | ((point[0] as number) & 1);
      area.set(point.subarray(1), area.length - 66);
      area.set(y, area.length - 32);
      message["key"] = area.toString("base64url");
    });
    const verifier = newVerifier();
    const answered = await answer(verifier.challenge(changed, software));
    expect(await refusalOf(() => verifier.check(answered))).toMatch(/step "name": .* another key/);
  });

  it("the statement about another key of the same TPM", async () => {
    const { store, claim, key } = await newDevice();
    await store.generate("other");
    const verifier = newVerifier();
    const challenge = verifier.challenge(claim, key);
    const answer = await store.attestation("other").answer(challenge);
    expect(await refusalOf(() => verifier.check(answer))).toMatch(/step "name"/);
  });

  it("an attestation key outside of the TPM, because the TPM gives it no secret", async () => {
    const { claim, key, answer } = await newDevice();
    const software = PrivateKey.generate();
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message["attestationKey"]), "base64url");
      area.set(software.publicKey.bytes.subarray(1), area.length - 66);
      message["attestationKey"] = area.toString("base64url");
    });
    const verifier = newVerifier();
    const challenge = verifier.challenge(changed, key);
    expect(await refusalOf(() => answer(challenge))).toMatch(
      /The TPM refuses to answer: .*TPM2_ActivateCredential/,
    );
    const guess: Answer = {
      id: readChallenge(challenge).id,
      secret: new Uint8Array(32),
      statement: new Uint8Array(100),
      signature: new Uint8Array(64),
    };
    expect(await refusalOf(() => verifier.check(writeMessage(guess)))).toMatch(/step "secret"/);
  });

  it("a certificate for another endorsement key", async () => {
    const other = await SoftwareTpm.start(onTestFinished);
    const { store, key } = await newDeviceIn(other);
    const claim = withCertificates(await store.attestation("device").claim(), pem("endorsement"));
    expect(await refusalOf(() => newVerifier().challenge(claim, key))).toMatch(
      /step "certificate": .*another key/,
    );
  });

  it("a certificate for another purpose; one that names none is accepted", async () => {
    const { claim, key } = await newDevice();
    const outcome = (name: string) =>
      refusalOf(() => newVerifier().challenge(withCertificates(claim, pem(name)), key));
    expect(await outcome("of a server")).toMatch(/step "purpose"/);
    expect(await outcome("of anything")).toMatch(/step "purpose"/);
    expect(await outcome("of no purpose")).toBe("no refusal");
  });

  it("an answer that it has seen, be it right or wrong", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier();
    const right = await answer(verifier.challenge(claim, key));
    expect(verifier.check(right).proven).toBe(true);
    expect(await refusalOf(() => verifier.check(right))).toMatch(/step "challenge": .*no open challenge/);
    const late = await answer(verifier.challenge(claim, key));
    const wrong = edited(late, (message) => {
      message["signature"] = toBase64Url(new Uint8Array(64));
    });
    expect(await refusalOf(() => verifier.check(wrong))).toMatch(/step "signature"/);
    expect(await refusalOf(() => verifier.check(late))).toMatch(/no open challenge/);
  });

  it("an answer to another verifier's challenge", async () => {
    const { claim, key, answer } = await newDevice();
    const answered = await answer(newVerifier().challenge(claim, key));
    expect(await refusalOf(() => newVerifier().check(answered))).toMatch(/no open challenge/);
  });

  it("an answer that is put together from two", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier();
    const answers = async () =>
      [await answer(verifier.challenge(claim, key)), await answer(verifier.challenge(claim, key))] as const;
    const [one, two] = await answers();
    const otherId = writeMessage({ ...readAnswer(one), id: readAnswer(two).id });
    expect(await refusalOf(() => verifier.check(otherId))).toMatch(/step "secret"/);
    const [three, four] = await answers();
    const olderStatement = writeMessage({ ...readAnswer(three), ...pick(readAnswer(four), "id", "secret") });
    expect(await refusalOf(() => verifier.check(olderStatement))).toMatch(/step "nonce"/);
  });

  it("an answer after the lifetime of its challenge, and one from before the clock was set back", async () => {
    const { claim, key, answer } = await newDevice();
    let at = 1000 * time;
    const verifier = newVerifier({ now: () => at, lifetimeSeconds: 5 });
    const answers = [0, 0, 0].map(() => answer(verifier.challenge(claim, key)));
    const [inTime = "", tooLate = "", setBack = ""] = await Promise.all(answers);
    at += 5000;
    expect(verifier.check(inTime).proven).toBe(true);
    at += 1;
    expect(await refusalOf(() => verifier.check(tooLate))).toMatch(/step "challenge": it comes too late/);
    at -= 60_000;
    expect(await refusalOf(() => verifier.check(setBack))).toMatch(/it comes too late/);
  });

  it("more challenges than it may keep, until old ones are over", async () => {
    const { claim, key } = await newDevice();
    let at = 1000 * time;
    const verifier = newVerifier({ now: () => at, maxOpen: 3 });
    for (let i = 0; i < 3; i++) verifier.challenge(claim, key);
    expect(await refusalOf(() => verifier.challenge(claim, key))).toMatch(/too many challenges/);
    at += 60_001;
    for (let i = 0; i < 3; i++) verifier.challenge(claim, key);
    expect(await refusalOf(() => verifier.challenge(claim, key))).toMatch(/too many challenges/);
    at -= 90_000;
    verifier.challenge(claim, key);
  });
});

const pick = <T, K extends keyof T>(from: T, ...names: K[]) =>
  Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;

describe("a challenge", () => {
  it("is never the same twice, and comes from the random source", async () => {
    const { claim, key } = await newDevice();
    const verifier = newVerifier();
    const ids = Array.from({ length: 20 }, () => readChallenge(verifier.challenge(claim, key)));
    expect(new Set(ids.map(({ id }) => id))).toHaveLength(20);
    expect(new Set(ids.map(({ nonce }) => toBase64Url(nonce)))).toHaveLength(20);
    const zeros = newVerifier({ random: (length) => new Uint8Array(length) });
    expect(readChallenge(zeros.challenge(claim, key))).toMatchObject({
      id: "A".repeat(22),
      nonce: new Uint8Array(32),
    });
  });

  it("may be answered by a later process", async () => {
    const { claim, key, dir } = await newDevice();
    const verifier = newVerifier();
    const challenge = verifier.challenge(claim, key);
    const later = new TpmKeyStore({ dir, env: tpm.env }).attestation("device");
    expect(verifier.check(await later.answer(challenge))).toMatchObject({ proven: true });
  });

  it("is answered by no other TPM", async () => {
    const { claim, key, dir } = await newDevice();
    const other = await SoftwareTpm.start(onTestFinished);
    const challenge = newVerifier().challenge(claim, key);
    const replaced = new TpmKeyStore({ dir, env: other.env }).attestation("device");
    expect(await refusalOf(() => replaced.answer(challenge))).toMatch(/for another TPM/);
  });

  it("is not answered for a key that another TPM wrapped", async () => {
    const { key, dir } = await newDevice();
    const other = await SoftwareTpm.start(onTestFinished);
    const here = temporaryFolder();
    copyFileSync(join(dir, "device.tpm"), join(here, "device.tpm"));
    const attestation = new TpmKeyStore({ dir: here, env: other.env }).attestation("device");
    const challenge = newVerifier().challenge(await attestation.claim(), key);
    expect(await codeOf(() => attestation.answer(challenge))).toBe("key_store_changed");
  });

  it("leaves nothing in the TPM, answered or refused, and finds room where others left much", async () => {
    const own = await SoftwareTpm.start(onTestFinished, "tcp");
    const { store, key } = await newDeviceIn(own);
    const attestation = store.attestation("device");
    const startSession = writeCommand(startPolicySession("sha256", new Uint8Array(16)));
    for (let i = 0; i < 3; i++) await own.send(Buffer.from(startSession).toString("hex"));
    expect(own.tool("tpm2_getcap", "handles-loaded-session").match(/0x/g)).toHaveLength(3);
    const verifier = newVerifier();
    const answered = await attestation.answer(verifier.challenge(await attestation.claim(), key));
    expect(verifier.check(answered)).toMatchObject({ proven: false });
    const bad = edited(verifier.challenge(await attestation.claim(), key), (message) => {
      Object.assign(message["credential"] as object, { blob: toBase64Url(new Uint8Array(68)) });
    });
    expect(await refusalOf(() => attestation.answer(bad))).toMatch(/TPM refuses/);
    for (const kind of ["loaded-session", "transient"])
      expect(own.tool("tpm2_getcap", `handles-${kind}`)).toBe("");
  });
});

describe("an endorsement hierarchy with a password", () => {
  it("stops the claim in plain words, and nothing else", async () => {
    const own = await SoftwareTpm.start(onTestFinished, "tcp");
    const { store, key } = await newDeviceIn(own);
    const attestation = store.attestation("device");
    const challenge = newVerifier().challenge(await attestation.claim(), key);
    own.tool("tpm2_changeauth", "-c", "e", "secret");
    for (const ask of [() => attestation.claim(), () => attestation.answer(challenge)])
      await expect(ask()).rejects.toMatchObject({
        code: "attestation_unavailable",
        message: expect.stringMatching(
          /cannot prove its key to others: its endorsement hierarchy has a password/,
        ),
        fix: expect.stringContaining("tpm2_changeauth -c endorsement"),
      });
    expect(await store.sealingSecret("device")).toHaveLength(32);
  });
});

describe("an attestation of what is not there", () => {
  it("is key_not_found", async () => {
    const { store } = await newDevice();
    expect(await codeOf(() => store.attestation("none").claim())).toBe("key_not_found");
    await expect(store.attestation("../x").claim()).rejects.toThrow(TypeError);
  });
});

describe("whatever the bytes", () => {
  const mutation = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    fc.nat(8),
    fc.string({ maxLength: 6 }),
  );
  const mutate = (text: string, [at, cut, put]: [number, number, string]) => {
    const index = Math.floor(at * text.length);
    return text.slice(0, index) + put + text.slice(index + cut);
  };

  it("a claim yields a challenge or is refused", async () => {
    const { claim, key } = await newDevice();
    const bare = withCertificates(claim);
    const verifier = newVerifier({ maxOpen: 100_000 });
    const texts = fc.oneof(
      fc.json(),
      fc.string(),
      fc.tuple(fc.constantFrom(claim, bare), mutation).map(([text, by]) => mutate(text, by)),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        await refusalOf(() => verifier.challenge(text, key));
      }),
      { numRuns: 500 },
    );
  });

  it("a claim with any byte of its public areas changed is refused, by the verifier or by the TPM", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ maxOpen: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("key", "attestationKey", "endorsementKey"),
        fc.nat(500),
        fc.integer({ min: 1, max: 255 }),
        async (member, at, flip) => {
          const changed = edited(claim, (message) => {
            const area = Buffer.from(String(message[member]), "base64url");
            area[at % area.length] = (area[at % area.length] as number) ^ flip;
            message[member] = area.toString("base64url");
          });
          const outcome = await refusalOf(async () =>
            verifier.check(await answer(verifier.challenge(changed, key))),
          );
          expect(outcome).not.toBe("no refusal");
        },
      ),
      { numRuns: 150 },
    );
  });

  it("an answer with any byte changed is refused", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ maxOpen: 100_000, random: (length) => new Uint8Array(length).fill(7) });
    const answered = await answer(verifier.challenge(claim, key));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("secret", "statement", "signature"),
        fc.nat(500),
        fc.integer({ min: 1, max: 255 }),
        async (member, at, flip) => {
          verifier.challenge(claim, key); // the same one, open again
          const changed = edited(answered, (message) => {
            const bytes = Buffer.from(String(message[member]), "base64url");
            bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip;
            message[member] = bytes.toString("base64url");
          });
          expect(await refusalOf(() => verifier.check(changed))).toMatch(/step "(secret|signature)"/);
        },
      ),
      { numRuns: 150 },
    );
    verifier.challenge(claim, key);
    expect(verifier.check(answered).proven).toBe(true);
  });

  it("an answer yields a verdict or is refused", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ random: (length) => new Uint8Array(length).fill(7) });
    const answered = await answer(verifier.challenge(claim, key));
    const texts = fc.oneof(
      fc.json(),
      fc.string(),
      mutation.map((by) => mutate(answered, by)),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        verifier.challenge(claim, key);
        await refusalOf(() => verifier.check(text));
      }),
      { numRuns: 150 },
    );
  });

  it("a challenge is answered or refused by the device", async () => {
    const { claim, key, answer } = await newDevice();
    const challenge = newVerifier().challenge(claim, key);
    const kinds = fc.constantFrom(...kindNames).map((kind) =>
      edited(challenge, (message) => {
        message["endorsementKey"] = kind;
      }),
    );
    const texts = fc.oneof(
      fc.json(),
      mutation.map((by) => mutate(challenge, by)),
      kinds,
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        await refusalOf(() => answer(text));
      }),
      { numRuns: 100 },
    );
  });
});

describe("the example of the guide", () => {
  it("is the one that runs here", async () => {
    const source = readFileSync(new URL("attestation-example.ts", import.meta.url), "utf8");
    expect(readFileSync(new URL("../../../docs/guide/key-storage.md", import.meta.url), "utf8")).toContain(
      source,
    );
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "machine", dir, env: tpm.env });
    const machine = await openIdentity({ dir, env: tpm.env });
    const verifier = checkKeys([pem("root")]);
    const told: string[] = [];
    await proveKey(machine, async (message) => {
      const answered =
        told.length === 0 ? verifier.claim(message, machine.publicKey) : verifier.answer(message);
      told.push(answered);
      return answered;
    });
    expect(told[1]).toMatch(/^am_.{16}: claimed, not proven/);
  });
});

describe("the verifier's half", () => {
  it("reaches no file, socket, process or environment", () => {
    const seen = new Set<string>();
    const outside = new Set<string>();
    const visit = (url: URL) => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      const source = readFileSync(url, "utf8");
      for (const [, types, from = ""] of source.matchAll(/^(?:im|ex)port (type )?[^;]*?from "([^"]+)"/gm)) {
        if (types !== undefined) continue;
        if (from.startsWith(".")) visit(new URL(from.replace(/\.js$/, ".ts"), url));
        else outside.add(from);
      }
      expect(source).not.toMatch(/\bprocess\.|\bset(Timeout|Interval)\(/);
    };
    visit(new URL("../src/attestation.ts", import.meta.url));
    expect(seen.size).toBeGreaterThan(10);
    expect([...outside].sort()).toEqual(["@authmesh/core", "node:crypto"]);
  });
});

describe("the options of a verifier", () => {
  it("are refused where they cannot work", async () => {
    const make = (more: Partial<AttestationVerifierOptions>) => () => newVerifier(more);
    for (const roots of [[""], ["no PEM"], ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]])
      expect(await codeOf(make({ roots }))).toBe("invalid_option");
    for (const lifetimeSeconds of [0, -1, 1.5, 3601, Number.NaN])
      expect(make({ lifetimeSeconds })).toThrow(TypeError);
    for (const maxOpen of [0, 1_000_001]) expect(make({ maxOpen })).toThrow(TypeError);
  });

  it("take several certificates in one text", async () => {
    const { claim, key } = await newDevice();
    const bundle = `The makers we trust:\n${pem("root")}\nand\n${pem("maker")}`;
    const verifier = createAttestationVerifier({ roots: [bundle], now });
    expect(await refusalOf(() => verifier.challenge(claim, key))).toBe("no refusal");
  });
});
