import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateKey, type PublicKey } from "@authmesh/core";
import type { AttestationEvidence } from "@authmesh/core/enrollment";
import { TpmKeyStore } from "@authmesh/keystore";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { manufactured, SoftwareTpm } from "../../../keystore/test/swtpm.js";
import { Challenges } from "../../src/challenges/challenges.js";
import { readArguments } from "../../src/command-line.js";
import { readAttestationRoots } from "../../src/enrollment/attestation-roots.js";
import { Attestations } from "../../src/enrollment/attestations.js";
import { KeySealing } from "../../src/keys/key-sealing.js";
import { backends, openStore, temporaryFolder } from "../stores.js";

const sealing = new KeySealing(new Uint8Array(32).fill(1));

let roots: readonly string[];
let store: TpmKeyStore;
let key: PublicKey;
beforeAll(async () => {
  const made = manufactured(afterAll);
  roots = readAttestationRoots(made.roots);
  const tpm = await SoftwareTpm.start(afterAll, "unix", made.state);
  store = new TpmKeyStore({ dir: temporaryFolder(afterAll), env: tpm.env });
  key = await store.generate("device");
});

/** What the device brings, having been asked by one replica. */
async function evidence(by: Attestations, of = key): Promise<AttestationEvidence> {
  const attestation = store.attestation("device");
  const claim = await attestation.claim();
  const { challenge, question } = by.question(of.base64, claim);
  return { claim, challenge, answer: await attestation.answer(question) };
}

describe.each(backends())("what a TPM says of a key, over $name", ({ place }) => {
  let now = Date.now();
  let one: Attestations;
  let other: Attestations;

  beforeEach(async () => {
    now = Date.now();
    const where = await place();
    const replica = async () => {
      const options = { key: sealing.derive("challenges"), now: () => now };
      const challenges = new Challenges({ ...options, store: await openStore(where) });
      return new Attestations({ roots, challenges, key: sealing.derive("attestations"), now: () => now });
    };
    one = await replica();
    other = await replica();
  });

  it("proves it once, whichever replica it comes to", async () => {
    const brought = await evidence(one);
    expect(await other.judge(key.base64, brought)).toEqual({ status: "proven", maker: "id:00001014" });
    for (const replica of [one, other])
      expect(await replica.judge(key.base64, brought)).toEqual({
        status: "claimed",
        detail: expect.stringMatching(/used before/),
      });
  });

  it("proves nothing after a minute", async () => {
    const brought = await evidence(one);
    now += 60_000;
    expect(await one.judge(key.base64, brought)).toMatchObject({ status: "claimed" });
  });

  it("proves nothing of another key, asked for it or not", async () => {
    const stranger = PrivateKey.generate().publicKey;
    expect(await one.judge(stranger.base64, await evidence(one))).toMatchObject({ status: "claimed" });
    await expect(evidence(one, stranger)).rejects.toMatchObject({ code: "attestation_refused" });
  });

  it("proves nothing by the challenge that another claim was asked", async () => {
    const [first, second] = [await evidence(one), await evidence(one)];
    const mixed = { ...first, answer: second.answer };
    expect(await one.judge(key.base64, mixed)).toEqual({
      status: "claimed",
      detail: expect.stringMatching(/answers another challenge/),
    });
  });

  it("is nothing where nothing was said", async () => {
    expect(await one.judge(key.base64, undefined)).toEqual({ status: "none" });
  });
});

describe("the roots of an authority", () => {
  it("are the certificates of a file or of a folder's files, and nothing else will do", () => {
    const folder = temporaryFolder();
    expect(roots).toHaveLength(2);
    expect(() => readAttestationRoots(folder)).toThrow(/holds no certificates/);
    expect(() => readAttestationRoots(join(folder, "none.pem"))).toThrow(/none\.pem cannot be read/);
    writeFileSync(join(folder, "key.pem"), "-----BEGIN PRIVATE KEY-----");
    expect(() => readAttestationRoots(folder)).toThrow(/key\.pem holds no certificate in PEM/);
  });

  it("stand beside the wish for a proof on the command line", () => {
    const { options } = readArguments(["--attestation-roots", "/roots", "--require-attestation"], {});
    expect(options.attestation).toEqual({ roots: "/roots", require: true });
    expect(() => readArguments(["--require-attestation"], {})).toThrow(/needs --attestation-roots/);
  });
});
