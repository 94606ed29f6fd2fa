import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toBase64Url } from "@authmesh/core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createAttestationVerifier } from "../src/attestation.js";
import { createIdentity, openIdentity, TpmKeyStore } from "../src/index.js";
import { startPolicySession } from "../src/tpm/attestation/commands.js";
import { readChallenge } from "../src/tpm/attestation/messages.js";
import { writeCommand } from "../src/tpm/message.js";
import { checkKeys, proveKey } from "./attestation-example.js";
import {
  authority,
  certify,
  derOf,
  endorsement,
  endorsementKeyOf,
  newDeviceIn,
  now,
  refusalOf,
} from "./attestation-fixture.js";
import { attestationScene, edited } from "./attestation-scene.js";
import { codeOf, temporaryFolder } from "./fixture.js";
import { manufacture, SoftwareTpm } from "./swtpm.js";

const { newDevice, newVerifier, pem, tpm } = attestationScene();

describe("a TPM as its manufacturer delivers it", () => {
  let folder: string;
  let authorities: string[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "amesh-manufacture-"));
    manufacture(join(folder, "state"), join(folder, "authority"));
    authorities = ["swtpm-localca-rootca-cert.pem", "issuercert.pem"].map((name) =>
      readFileSync(join(folder, "authority", name), "utf8"),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));
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
    const { store, key } = await newDeviceIn(tpm());
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
    const later = new TpmKeyStore({ dir, env: tpm().env }).attestation("device");
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

describe("the example of the guide", () => {
  it("is the one that runs here", async () => {
    const source = readFileSync(new URL("attestation-example.ts", import.meta.url), "utf8");
    expect(readFileSync(new URL("../../../docs/guide/key-storage.md", import.meta.url), "utf8")).toContain(
      source,
    );
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "machine", dir, env: tpm().env });
    const machine = await openIdentity({ dir, env: tpm().env });
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
